import { randomInt } from 'node:crypto'

/** How often a proof is repeated, and with which randomness; `npm run test:sweep` asks for the full counts. */
export interface Sweep {
  readonly count: number
  readonly seed: number
}

/**
 * @param name the environment variables are `BACKUP_PLANET_<NAME>_COUNT` and `BACKUP_PLANET_SEED`
 * @param few what `npm test` does, so that the suite stays short
 */
export function sweepOf(name: string, few: number): Sweep {
  const count = Number(process.env[`BACKUP_PLANET_${name}_COUNT`] ?? few)
  const seed = Number(process.env.BACKUP_PLANET_SEED ?? randomInt(2 ** 31))
  if (!Number.isSafeInteger(count) || count < 1) throw new TypeError(`BACKUP_PLANET_${name}_COUNT must be a whole number from 1`)
  if (!Number.isSafeInteger(seed)) throw new TypeError('BACKUP_PLANET_SEED must be a whole number')
  return { count, seed }
}

/** A small seeded generator (mulberry32), so that a failing run can be repeated; numbers from 0 to below 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
