import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type IndexedPack, indexJson, packsOfIndex } from './index-file.ts'
import { storageIdOf } from './storage-id.ts'

const id = fc.uint8Array({ maxLength: 8 }).map(storageIdOf)
const length = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const blob = fc.record({ id, type: fc.constantFrom('data', 'tree'), offset: length, length, uncompressedLength: length } as const)
const pack: fc.Arbitrary<IndexedPack> = fc.record({ id, blobs: fc.array(blob, { maxLength: 5 }) })
const pack1 = storageIdOf(Buffer.of(1))
const blob1 = storageIdOf(Buffer.of(2))

describe('an index file', () => {
  it('is that of restic’s doc/design.rst, "Indexing"', () => {
    const blobs = [
      { id: blob1, type: 'data', offset: 0, length: 38, uncompressedLength: 511 },
      { id: blob1, type: 'tree', offset: 38, length: 112, uncompressedLength: 0 },
    ] as const
    expect(indexJson([{ id: pack1, blobs }])).toBe(
      `{"packs":[{"id":"${pack1}","blobs":[{"id":"${blob1}","type":"data","offset":0,"length":38,"uncompressed_length":511},` +
        `{"id":"${blob1}","type":"tree","offset":38,"length":112}]}]}`,
    )
    expect(JSON.parse(indexJson([], [pack1]))).toEqual({ supersedes: [pack1], packs: [] })
  })

  it('comes back', () => {
    fc.assert(
      fc.property(fc.array(pack, { maxLength: 5 }), fc.array(id, { maxLength: 2 }), (packs, supersedes) => {
        expect([...packsOfIndex(JSON.parse(indexJson(packs, supersedes)))]).toEqual(packs)
      }),
    )
  })

  it.each([
    ['without packs', {}, []],
    ['with none, as Go writes an empty list', { packs: null }, []],
    ['of the first releases, a bare list', [{ id: pack1, blobs: [] }], [{ id: pack1, blobs: [] }]],
  ])('%s is read', (_, json, packs) => {
    expect([...packsOfIndex(json)]).toEqual(packs)
  })

  const entry = { id: blob1, type: 'data', offset: 0, length: 1 }
  it.each([
    ['is none', 7],
    ['has packs that are no list', { packs: {} }],
    ['has a pack that is none', { packs: [null] }],
    ['has a pack without id', { packs: [{ blobs: [] }] }],
    ['has a pack whose id leads elsewhere', { packs: [{ id: `../../${pack1}`, blobs: [] }] }],
    ['has a pack without blobs', { packs: [{ id: pack1 }] }],
    ['has a blob that is none', { packs: [{ id: pack1, blobs: ['x'] }] }],
    ['has a blob of an unknown type', { packs: [{ id: pack1, blobs: [{ ...entry, type: 'snapshot' }] }] }],
    ['has a blob at a negative place', { packs: [{ id: pack1, blobs: [{ ...entry, offset: -1 }] }] }],
    ['has a blob beyond 4 GiB', { packs: [{ id: pack1, blobs: [{ ...entry, length: 2 ** 32 }] }] }],
    ['has a blob of half a byte', { packs: [{ id: pack1, blobs: [{ ...entry, uncompressed_length: 0.5 }] }] }],
  ])('that %s is refused', (_, json) => {
    expect(() => [...packsOfIndex(json)]).toThrow(SyntaxError)
  })

  it('is packs or a SyntaxError', () => {
    const field = fc.constantFrom('packs', 'id', 'blobs', 'type', 'offset', 'length', 'uncompressed_length', '__proto__')
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof({ depthSize: 'small' }, fc.jsonValue(), fc.constantFrom(pack1, 'data', 'tree', 1), tie('list'), tie('record')),
      list: fc.array(tie('json'), { maxLength: 3 }),
      record: fc.dictionary(field, tie('json'), { noNullPrototype: true }),
    }))
    fc.assert(
      fc.property(
        fc.oneof(
          json,
          fc.array(json).map((packs) => ({ packs })),
        ),
        (value) => {
          try {
            for (const found of packsOfIndex(value)) expect(found.id).toMatch(/^[0-9a-f]{64}$/)
          } catch (error) {
            expect(error).toBeInstanceOf(SyntaxError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
