import { type ScryptOptions, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { type MasterKey, masterKeyOf } from './master-key.ts'

/** Cost of scrypt, as a key file names it. */
export interface KeyDerivationCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

export interface KeyDerivation extends KeyDerivationCost {
  readonly salt: Uint8Array
}

/** About 32 MiB and a tenth of a second for each guess at a password; what restic itself chooses on common machines. */
export const keyDerivationCost: KeyDerivationCost = { N: 32768, r: 8, p: 4 }

/** More than this would let a key file that somebody planted take all memory of the machine. */
const mostMemory = 1024 ** 3
const mostWork = 2 ** 28

export function isAffordable({ N, r, p }: KeyDerivationCost): boolean {
  const powerOfTwo = Number.isInteger(Math.log2(N))
  return N > 1 && powerOfTwo && r > 0 && p > 0 && 128 * r * Math.max(N, p) <= mostMemory && N * r * p <= mostWork
}

const derive = promisify<string | Uint8Array, Uint8Array, number, ScryptOptions, Buffer>(scrypt)

/** Derives the key that seals the master key from a password; restic, doc/design.rst, "Keys, Encryption and MAC". */
export async function passwordKey(password: string, { salt, ...cost }: KeyDerivation): Promise<MasterKey> {
  const maxmem = 128 * cost.r * (cost.N + cost.p + 2) + 2 ** 20
  return masterKeyOf(await derive(Buffer.from(password, 'utf8'), salt, 64, { ...cost, maxmem }))
}
