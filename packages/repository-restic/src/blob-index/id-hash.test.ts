import { createHash } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { idBytes, idHash } from './id-hash.ts'

const count = 2 ** 16

/** Ids as somebody would invent them who wants them to collide: nearly all bytes are the same. */
const families: Readonly<Record<string, (number: number) => Uint8Array>> = {
  'SHA-256 sums': (number) => createHash('sha256').update(`${number}`).digest(),
  'numbers in the first bytes': (number) => withNumber(number, (index) => index),
  'numbers in the last bytes': (number) => withNumber(number, (index) => idBytes - 1 - index),
  'numbers in bytes far from each other': (number) => withNumber(number, (index) => index * 8 + 3),
  'one bit in each of sixteen bytes': (number) =>
    Uint8Array.from({ length: idBytes }, (_, index) => (index < 16 ? ((number >> index) & 1) << 7 : 7)),
}

describe.each(Object.entries(families))('the hashes of %s', (_, idOf) => {
  const hashes = Array.from({ length: count }, (_, number) => idHash(idOf(number)))

  it.each([
    ['low', (hash: number) => hash & 0xffff],
    ['high', (hash: number) => hash >>> 16],
  ])('are spread evenly by their %s bits', (_, bits) => {
    const taken = new Uint32Array(count)
    for (const hash of hashes) taken[bits(hash)] = (taken[bits(hash)] ?? 0) + 1
    // As many balls as bins: the fullest has about 8, rarely a few times that, and 64 once in more runs than there will be.
    expect(Math.max(...taken)).toBeLessThan(64)
  })
})

it('hashes other ways in every process', async () => {
  const ids = Array.from({ length: 100 }, (_, number) => withNumber(number, (index) => index))
  vi.resetModules()
  const other = await import('./id-hash.ts')
  expect(ids.filter((id) => other.idHash(id) === idHash(id)).length).toBeLessThan(10)
})

function withNumber(number: number, place: (index: number) => number): Uint8Array {
  const id = new Uint8Array(idBytes).fill(7)
  for (let index = 0; index < 4; index++) id[place(index)] = number >> (index * 8)
  return id
}
