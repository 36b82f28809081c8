import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createChunkerPolynomial, isIrreducible } from './irreducible-polynomial.ts'

describe('a polynomial of degree 53', () => {
  it.each([
    ['that of restic’s own tests and documents', 0x3da3358b4dc173n],
    // G. Seroussi, "Table of Low-Weight Binary Irreducible Polynomials" (HP Labs, 1998): 53,6,2,1.
    ['x^53 + x^6 + x^2 + x + 1', (1n << 53n) | 0b1000111n],
  ])('%s is irreducible', (_, polynomial) => {
    expect(isIrreducible(polynomial)).toBe(true)
  })

  it.each([
    ['x^53, which is x times itself', 1n << 53n],
    ['x^53 + 1, which has the root 1', (1n << 53n) | 1n],
    ['one of a lower degree', 0b1011n],
    ['one of a higher degree', 0x3da3358b4dc173n << 1n],
    ['nothing', 0n],
  ])('%s is none that will do', (_, polynomial) => {
    expect(isIrreducible(polynomial)).toBe(false)
  })

  it('is reducible when it is a product, also of two without roots', () => {
    const factor = (degree: number) =>
      fc.bigInt({ min: 0n, max: (1n << BigInt(degree)) - 1n }).map((low) => (1n << BigInt(degree)) | low | 1n)
    const factors = fc.integer({ min: 1, max: 26 }).chain((degree) => fc.tuple(factor(degree), factor(53 - degree)))
    fc.assert(
      fc.property(factors, ([left, right]) => {
        expect(isIrreducible(product(left, right))).toBe(false)
      }),
    )
    // x^2 + x + 1 and the like have no roots in GF(2), so only the long way finds them.
    expect(isIrreducible(product(0b111n, (1n << 51n) | 0b1001011n))).toBe(false)
  })

  it('is irreducible exactly when it has no factor of at most half its degree, of all with few low terms', () => {
    const polynomials = Array.from({ length: 200 }, (_, at) => (1n << 53n) | BigInt(2 * at + 1))
    const irreducible = polynomials.filter(isIrreducible)
    expect(irreducible).toEqual(polynomials.filter((polynomial) => !hasFactorOfDegreeUpTo(polynomial, 26)))
    expect(irreducible.length).toBeGreaterThan(0)
  })

  it('that is created is irreducible and not the one before', () => {
    const created = Array.from({ length: 5 }, createChunkerPolynomial)
    expect(new Set(created).size).toBe(5)
    for (const polynomial of created) {
      expect(polynomial).toMatch(/^[23][0-9a-f]{13}$/)
      expect(isIrreducible(BigInt(`0x${polynomial}`))).toBe(true)
    }
  })
})

function product(left: bigint, right: bigint): bigint {
  let result = 0n
  for (let bit = 0n; right >> bit > 0n; bit++) if ((right >> bit) & 1n) result ^= left << bit
  return result
}

function degreeOf(polynomial: bigint): number {
  return polynomial.toString(2).length - 1
}

function remainder(polynomial: bigint, divisor: bigint): bigint {
  let rest = polynomial
  while (rest > 0n && degreeOf(rest) >= degreeOf(divisor)) rest ^= divisor << BigInt(degreeOf(rest) - degreeOf(divisor))
  return rest
}

function commonFactor(left: bigint, right: bigint): bigint {
  return right === 0n ? left : commonFactor(right, remainder(left, right))
}

/** Ben-Or's test: x^(2^i) - x is the product of all irreducible polynomials whose degree divides i. */
function hasFactorOfDegreeUpTo(polynomial: bigint, degree: number): boolean {
  let power = 2n
  for (let i = 1; i <= degree; i++) {
    power = remainder(product(power, power), polynomial)
    if (commonFactor(polynomial, power ^ 2n) !== 1n) return true
  }
  return false
}
