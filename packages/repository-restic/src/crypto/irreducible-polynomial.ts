import { randomBytes } from 'node:crypto'

const degree = 53
const highest = 1n << BigInt(degree)

/**
 * A random irreducible polynomial of degree 53 over GF(2), in hex digits, as the config of a repository holds it. Restic cuts files by
 * it and refuses one that can be factored.
 */
export function createChunkerPolynomial(): string {
  while (true) {
    const random = BigInt(`0x${randomBytes(8).toString('hex')}`) & (highest - 1n)
    const polynomial = highest | random | 1n
    if (isIrreducible(polynomial)) return polynomial.toString(16)
  }
}

/**
 * Rabin's test ("Probabilistic Algorithms in Finite Fields", 1980) for the degree 53, which is prime: the polynomial divides
 * x^(2^53) - x and has neither 0 nor 1 for a root.
 */
export function isIrreducible(polynomial: bigint): boolean {
  if (polynomial >> BigInt(degree) !== 1n) return false
  if ((polynomial & 1n) === 0n || weight(polynomial) % 2 === 0) return false
  let power = 2n
  for (let squared = 0; squared < degree; squared++) power = squareModulo(power, polynomial)
  return power === 2n
}

function weight(polynomial: bigint): number {
  return polynomial.toString(2).replaceAll('0', '').length
}

/** Squaring over GF(2) puts a zero between every two coefficients. */
function squareModulo(value: bigint, modulus: bigint): bigint {
  let square = BigInt(`0b${value.toString(2).split('').join('0')}`)
  for (let bits = bitLength(square); bits > degree; bits = bitLength(square)) square ^= modulus << BigInt(bits - degree - 1)
  return square
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length
}
