import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type * as z from 'zod'
import type { Manifest } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { canonicalJson } from './canonical-json.ts'
import { manifestJsonSchema } from './manifest-json-schema.ts'
import type { manifestSchema } from './manifest-schema.ts'
import { parseManifest } from './parse-manifest.ts'

const manifest: Manifest = {
  format: 'backup-planet/manifest/1',
  id: '20261122T080312Z-abcdef',
  job: 'shop',
  application: 'mysql',
  agent: { version: '1.0.0' },
  source: { id: 'uuid', name: 'db:3306', version: '10.11' },
  kind: 'log',
  status: 'partial',
  beganAt: '2026-11-22T08:03:12.123Z',
  consistentAt: '2026-11-22T08:03:13Z',
  endedAt: '2026-11-22T08:03:14.000Z',
  from: { chain: 'c', value: { file: 'bin.1' } },
  position: { chain: 'c', value: { file: 'bin.2' } },
  covers: [{ from: '2026-11-22T08:00:00Z', to: '2026-11-22T08:03:13Z' }],
  limitedTo: ['shop'],
  items: [
    {
      item: 'a',
      facts: { tables: 1, nested: { list: [null, true] } },
      bytes: 5,
      files: [{ name: 'x/y', size: 5, sha256: 'a'.repeat(64) }],
    },
    { item: 'b', facts: {}, failure: { code: 'APPLICATION', message: 'broken', hint: 'Repair it.' } },
  ],
  facts: { any: 'thing' },
  storage: { path: 'p' },
}

const parse = (value: unknown) => parseManifest(typeof value === 'string' ? value : JSON.stringify(value), 'shop/manifest.json')

describe('parseManifest', () => {
  test('gives back what was written, in the same order of keys', () => {
    expect(parse(manifest)).toEqual(manifest)
    expect(JSON.stringify(parse(manifest))).toBe(JSON.stringify(manifest))
  })

  test.each([
    ['no JSON', '{"format":'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['another format', { ...manifest, format: 'backup-planet/manifest/0' }],
    ['an unknown key', { ...manifest, commands: ['rm'] }],
    ['no items', { ...manifest, items: undefined }],
    ['a negative size', { ...manifest, items: [{ item: 'a', facts: {}, files: [{ name: 'x', size: -1, sha256: 'a'.repeat(64) }] }] }],
    [
      'a size that is no whole number',
      { ...manifest, items: [{ item: 'a', facts: {}, files: [{ name: 'x', size: 1.5, sha256: 'a'.repeat(64) }] }] },
    ],
    ['an upper-case hash', { ...manifest, items: [{ item: 'a', facts: {}, files: [{ name: 'x', size: 1, sha256: 'A'.repeat(64) }] }] }],
    ['a local time', { ...manifest, endedAt: '2026-11-22T08:03:14+01:00' }],
    ['no time', { ...manifest, beganAt: 'yesterday' }],
    ['another kind', { ...manifest, kind: 'incremental' }],
    ['another status', { ...manifest, status: 'done' }],
    ['a stretch of time without an end', { ...manifest, covers: [{ from: '2026-11-22T08:00:00Z' }] }],
    ['a position without text', { ...manifest, position: { chain: 'c', value: { offset: 4 } } }],
  ])('refuses %s as CORRUPTED, with the place', (_, value) => {
    expect(() => parse(value)).toThrow(BackupError)
    expect(() => parse(value)).toThrow(/^the manifest shop\/manifest\.json is damaged: /)
  })

  test('asks for an update when the format is later', () => {
    expect(() => parse({ ...manifest, format: 'backup-planet/manifest/2' })).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  })

  test('takes details and failure codes of later releases', () => {
    const later = {
      ...manifest,
      source: { ...manifest.source, edition: 'x' },
      items: [{ item: 'b', facts: {}, failure: { code: 'NEW_CODE', message: 'm' }, added: 1 }],
    }
    expect(parse(later)).toEqual({ ...later, items: [{ item: 'b', facts: {}, failure: { code: 'UNKNOWN', message: 'm' }, added: 1 }] })
  })

  test('never throws anything but a BackupError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.object().map((extra) => JSON.stringify({ ...manifest, ...extra })),
        ),
        (text) => {
          try {
            parse(text)
          } catch (error) {
            expect(BackupError.is(error)).toBe(true)
          }
        },
      ),
    )
  })
})

describe('manifest.schema.json', () => {
  test('is what the parser checks', async () => {
    const published: unknown = JSON.parse(await readFile(new URL('../../manifest.schema.json', import.meta.url), 'utf8'))
    expect(published).toEqual(manifestJsonSchema())
  })

  test('is of draft 2020-12, refuses unknown keys at the top and names every field of the contract', () => {
    const schema = manifestJsonSchema() as {
      $schema: string
      $id: string
      additionalProperties: unknown
      required: string[]
      properties: object
    }
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema.$id).toMatch(/^https:.*\/packages\/core\/manifest\.schema\.json$/)
    expect(schema.additionalProperties).toBe(false)
    expect(Object.keys(schema.properties).sort()).toEqual(Object.keys(manifest).sort())
    expect(Object.keys(manifest).filter((key) => !schema.required.includes(key))).toEqual(['from', 'position', 'covers', 'limitedTo'])
  })

  test('and the contract have the same keys', () => {
    expectTypeOf<keyof z.infer<typeof manifestSchema>>().toEqualTypeOf<keyof Manifest>()
    expectTypeOf<Manifest['kind']>().toEqualTypeOf<z.infer<typeof manifestSchema>['kind']>()
  })
})

describe('canonicalJson', () => {
  test('sorts keys at every depth and leaves out white space and undefined', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 'x' }], a: null, z: undefined })).toBe('{"a":null,"b":[{"c":"x","d":1}]}')
  })

  test('is the same for the same value, however its keys are ordered, and parses back to it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = canonicalJson(value)
        expect(canonicalJson(Object.fromEntries(Object.entries(value).reverse()))).toBe(text)
        expect(JSON.stringify(JSON.parse(text))).toHaveLength(text.length)
        expect(canonicalJson(JSON.parse(text))).toBe(text)
      }),
    )
  })

  test('is whole where there are very many values', () => {
    const files = Array.from({ length: 30_001 }, (_, size) => ({ name: `file ${size}`, size }))
    expect(canonicalJson({ files })).toBe(JSON.stringify({ files }))
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, undefined, () => 1, new Date(0), new Map(), [undefined]])('refuses %s', (value) => {
    expect(() => canonicalJson({ value: [value] })).toThrow(TypeError)
  })

  test('refuses a value that contains itself, and takes one that is there twice', () => {
    const shared = { a: 1 }
    expect(canonicalJson([shared, shared])).toBe('[{"a":1},{"a":1}]')
    const circle: { self?: unknown } = {}
    circle.self = circle
    expect(() => canonicalJson(circle)).toThrow(TypeError)
  })
})
