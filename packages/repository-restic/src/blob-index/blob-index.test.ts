import { createHash } from 'node:crypto'
import { BackupError } from '@backup-planet/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BlobType } from '../format/pack-header.ts'
import { BlobIndex } from './blob-index.ts'

const size = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const addition = fc.record({
  pack: fc.integer({ min: 0, max: 5 }),
  type: fc.constantFrom<BlobType>('data', 'tree'),
  id: fc.integer({ min: 0, max: 40 }),
  offset: fc.oneof(fc.integer({ min: 0, max: 3 }), size),
  length: size,
  uncompressedLength: size,
})

interface Place {
  readonly pack: string
  readonly offset: number
  readonly length: number
  readonly uncompressedLength: number
}

describe('an index', () => {
  it('is a map of types and ids to first places, that counts others', () => {
    fc.assert(
      fc.property(fc.array(addition, { maxLength: 200 }), (additions) => {
        const told: string[] = []
        const index = new BlobIndex({
          onDuplicate: (type, id, packNumber, offset, ...lengths) =>
            told.push(line(type, id, index.packId(packNumber), offset, ...lengths)),
        })
        const model = new Map<string, Place>()
        const duplicates: string[] = []
        for (const { pack, type, id, ...place } of additions) {
          const packId = idOf(`pack ${pack}`).toString('hex')
          const key = `${type} ${id}`
          const first = model.get(key)
          const isNew = index.add(index.addPack(packId), type, idOf(`${id}`), place.offset, place.length, place.uncompressedLength)
          expect(isNew).toBe(first === undefined)
          if (first === undefined) model.set(key, { pack: packId, ...place })
          else if (first.pack !== packId || first.offset !== place.offset) {
            duplicates.push(line(type, idOf(`${id}`), packId, place.offset, place.length, place.uncompressedLength))
          }
        }
        expect(told).toEqual(duplicates)
        expect(index.duplicates).toBe(duplicates.length)
        expect(index.size).toBe(model.size)
        for (const type of ['data', 'tree'] as const) {
          for (let id = 0; id <= 41; id++) {
            expect(index.has(type, idOf(`${id}`))).toBe(model.has(`${type} ${id}`))
            expect(placeOf(index, type, idOf(`${id}`))).toEqual(model.get(`${type} ${id}`))
          }
        }
        const listed: string[] = []
        index.forEach((type, id, packNumber, offset, ...lengths) => {
          listed.push(line(type, id, index.packId(packNumber), offset, ...lengths))
        })
        const expected = [...model].map(([key, { pack, offset, length, uncompressedLength }]) => {
          const [type = '', id = ''] = key.split(' ')
          return line(type, idOf(id), pack, offset, length, uncompressedLength)
        })
        const ordered = ['data', 'tree'].flatMap((type) => expected.filter((text) => text.startsWith(type)))
        expect(listed).toEqual(ordered)
      }),
    )
  })

  it('numbers packs as they come, and an id always the same', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 })), (packs) => {
        const index = new BlobIndex()
        const ids = packs.map((pack) => idOf(`pack ${pack}`).toString('hex'))
        const distinct = [...new Set(ids)]
        expect(ids.map((id) => index.addPack(id))).toEqual(ids.map((id) => distinct.indexOf(id)))
        expect([...index.packs()]).toEqual(distinct)
        expect(distinct.map((_, number) => index.packId(number))).toEqual(distinct)
        expect(index.packCount).toBe(distinct.length)
        expect(distinct.every((id) => index.hasPack(id))).toBe(true)
        expect(index.hasPack(idOf('another').toString('hex'))).toBe(false)
      }),
    )
  })

  it('keeps every blob while it grows over many segments, and holds what it says', () => {
    const index = new BlobIndex()
    const packNumber = index.addPack(idOf('pack').toString('hex'))
    const blobs = 150_000
    const held = index.bytes
    for (let blob = 0; blob < blobs; blob++) index.add(packNumber, 'data', idOf(`${blob}`), blob, blob + 1, blob + 2)
    expect(index.size).toBe(blobs)
    let wrong = 0
    for (let blob = 0; blob < blobs; blob++) {
      const place = index.find('data', idOf(`${blob}`))
      if (place?.offset !== blob || place.length !== blob + 1 || place.uncompressedLength !== blob + 2) wrong++
      if (index.has('data', idOf(`-${blob}`)) || index.has('tree', idOf(`${blob}`))) wrong++
    }
    expect(wrong).toBe(0)
    // 48 bytes a blob, rounded up to whole segments of 65536, and slots of 4 bytes of which at least three eighths are taken.
    expect(index.bytes - held).toBeGreaterThan(blobs * 48)
    expect(index.bytes - held).toBeLessThan((blobs + 65_536) * 48 + (blobs / 0.375) * 4)
  })

  it('gives each blob a row that stays, and another of its places when it is told to', () => {
    const index = new BlobIndex()
    const [one, other] = [index.addPack(idOf('one').toString('hex')), index.addPack(idOf('other').toString('hex'))]
    index.add(one, 'data', idOf('a'), 10, 20, 30)
    index.add(one, 'data', idOf('b'), 40, 50, 0)
    index.add(one, 'tree', idOf('b'), 1, 2, 3)
    expect([index.rows('data'), index.rows('tree')]).toEqual([2, 1])
    expect([index.row('data', idOf('b')), index.row('tree', idOf('b')), index.row('tree', idOf('a'))]).toEqual([1, 0, -1])
    expect(index.hexId('data', 1)).toBe(idOf('b').toString('hex'))
    const place = { packNumber: other, type: 'data', offset: 5, length: 6, uncompressedLength: 7 } as const
    index.relocate(1, place)
    expect(index.locationAt('data', 1)).toEqual(place)
    expect(index.find('data', idOf('b'))).toEqual(place)
    expect(index.find('tree', idOf('b'))).toEqual({ packNumber: one, type: 'tree', offset: 1, length: 2, uncompressedLength: 3 })
    expect(index.row('data', idOf('b'))).toBe(1)
    expect(() => index.locationAt('data', 2)).toThrow(RangeError)
    expect(() => index.relocate(2, place)).toThrow(RangeError)
    expect(() => index.relocate(0, { ...place, packNumber: 2 })).toThrow(RangeError)
  })

  it('finds an id wherever its bytes come from', () => {
    const index = new BlobIndex()
    const bytes = Buffer.concat([Buffer.of(0), idOf('a')])
    index.add(index.addPack(idOf('pack').toString('hex')), 'tree', bytes.subarray(1), 1, 2, 3)
    const shared = new Uint8Array(new SharedArrayBuffer(32))
    shared.set(idOf('a'))
    bytes.fill(0)
    expect(index.has('tree', shared)).toBe(true)
    expect(index.has('tree', Uint8Array.from(idOf('a')))).toBe(true)
    expect(index.has('tree', bytes.subarray(1))).toBe(false)
  })
})

describe('what cannot be', () => {
  const index = new BlobIndex()
  const pack = index.addPack(idOf('pack').toString('hex'))

  it.each([2 ** 32, 2 ** 53, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])('is refused as an offset or length: %d', (number) => {
    const id = idOf(`${number}`)
    const places: readonly (readonly [number, number, number])[] = [
      [number, 1, 1],
      [1, number, 1],
      [1, 1, number],
    ]
    for (const numbers of places) {
      expect(failureOf(() => index.add(pack, 'data', id, ...numbers))).toMatchObject({
        code: 'CORRUPTED',
        message: expect.stringContaining(`${number}`),
      })
    }
    expect(index.has('data', id)).toBe(false)
  })

  it.each(['', 'ab', 'g'.repeat(64), 'A'.repeat(64), 'a'.repeat(66)])('is refused as the id of a pack: %j', (id) => {
    expect(failureOf(() => index.addPack(id))).toMatchObject({ code: 'CORRUPTED' })
    expect(index.hasPack(id)).toBe(false)
  })

  it('is refused as the id of a blob or number of a pack', () => {
    for (const bytes of [0, 31, 33]) {
      expect(() => index.has('data', new Uint8Array(bytes))).toThrow(TypeError)
      expect(() => index.add(pack, 'data', new Uint8Array(bytes), 0, 1, 0)).toThrow(TypeError)
    }
    for (const number of [-1, 1, 0.5]) expect(() => index.add(number, 'data', idOf('a'), 0, 1, 0)).toThrow(TypeError)
    expect(() => index.packId(1)).toThrow(RangeError)
    expect(index.size).toBe(0)
  })
})

function idOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function line(type: string, id: Uint8Array, pack: string, ...numbers: readonly number[]): string {
  return [type, Buffer.from(id).toString('hex'), pack, ...numbers].join(' ')
}

function placeOf(index: BlobIndex, type: BlobType, id: Uint8Array): Place | undefined {
  const found = index.find(type, id)
  if (found === undefined) return undefined
  expect(found.type).toBe(type)
  const { packNumber, offset, length, uncompressedLength } = found
  return { pack: index.packId(packNumber), offset, length, uncompressedLength }
}

function failureOf(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    if (BackupError.is(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
