import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZodError } from 'zod'
import { parseSnapshot, type SnapshotRecord, snapshotJson } from './snapshot-record.ts'
import { storageIdOf } from './storage-id.ts'

const tree = storageIdOf(Buffer.from('tree'))
const text = fc.string({ unit: 'binary', maxLength: 20 })
const id = fc.nat().map((number) => storageIdOf(Buffer.from(`${number}`)))
const snapshot: fc.Arbitrary<SnapshotRecord> = fc.record(
  {
    time: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') }).map((date) => date.toISOString()),
    tree: id,
    paths: fc.array(text, { maxLength: 3 }),
    hostname: text,
    username: text,
    uid: fc.nat(),
    gid: fc.nat(),
    tags: fc.array(text, { minLength: 1, maxLength: 3 }),
    original: id,
  },
  { requiredKeys: ['time', 'tree', 'paths'] },
)

describe('a snapshot', () => {
  it('comes back', () => {
    fc.assert(
      fc.property(snapshot, (record) => {
        expect(parseSnapshot(JSON.parse(snapshotJson(record)))).toEqual(record)
      }),
    )
  })

  it('is written as restic writes one', () => {
    const record = {
      time: '2026-01-01T00:00:05.000Z',
      tree,
      paths: ['/mysql/a&b'],
      hostname: 'db',
      username: 'root',
      uid: 0,
      gid: 0,
      tags: ['job=a\\bc'],
    }
    expect(snapshotJson(record)).toBe(
      `{"time":"2026-01-01T00:00:05.000Z","tree":"${tree}","paths":["/mysql/a\\u0026b"],"hostname":"db","username":"root","uid":0,"gid":0,"tags":["job=a\\\\bc"]}`,
    )
  })

  it('of restic is read: with what we do not know, and with null for what is not there', () => {
    const json = {
      time: '2024-05-01T12:00:00.123456789+02:00',
      parent: tree,
      tree,
      paths: null,
      hostname: 'db',
      username: 'eva',
      excludes: ['*.tmp'],
      tags: null,
      program_version: 'restic 0.17.3',
      summary: { files_new: 1 },
    }
    const read = parseSnapshot(json)
    expect(read).toMatchObject({ tree, paths: [], hostname: 'db', username: 'eva', tags: undefined })
    expect(Date.parse(read.time)).toBe(Date.parse('2024-05-01T10:00:00.123Z'))
  })

  it.each([
    ['nothing', null],
    ['no tree', { time: '2026-01-01T00:00:00Z' }],
    ['a tree that is no id', { time: '2026-01-01T00:00:00Z', tree: 'config' }],
    ['a time that is none', { time: 'yesterday', tree }],
    ['tags that are no texts', { time: '2026-01-01T00:00:00Z', tree, tags: [1] }],
    ['an origin that is no id', { time: '2026-01-01T00:00:00Z', tree, original: '../x' }],
  ])('with %s is refused', (_, json) => {
    expect(() => parseSnapshot(json)).toThrow(ZodError)
  })

  it('is a record or a ZodError', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(() => parseSnapshot(json)).toThrow(ZodError)
      }),
    )
  })
})
