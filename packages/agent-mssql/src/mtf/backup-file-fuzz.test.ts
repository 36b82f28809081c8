import { writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type HeaderPlace, headerPlaces, sealHeader } from './__fixtures__/header-places.ts'
import { differentialBackup, fullBackup, logBackup, sourceOf } from './__fixtures__/written-media.ts'
import { inspectBackupFile } from './inspect-backup-file.ts'
import { verifyBackupFile } from './verify-backup-files.ts'

/** `BACKUP_PLANET_MTF_COUNT` broken files; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_MTF_COUNT ?? 500),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 30_000 + runs.numRuns * 20

const small = { files: fullBackup().files.map((file) => ({ ...file, pages: Buffer.alloc(0) })), log: Buffer.alloc(100) }
const originals = [
  ...writeBackupFiles({ backups: [fullBackup(small), differentialBackup(small), logBackup(small)] }),
  ...writeBackupFiles({ backups: [fullBackup()], alignment: 4096, stripes: 2 }),
]
const places = await Promise.all(originals.map(headerPlaces))

/** A change of bytes anywhere, or of a header, with a checksum that is made right afterwards: what lies on purpose. */
type Change =
  | { readonly type: 'bits'; readonly at: number; readonly mask: number }
  | { readonly type: 'bytes'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: 'header'; readonly place: number; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: 'remove' | 'repeat'; readonly at: number; readonly length: number }
  | { readonly type: 'cut'; readonly at: number }

/** From 0 to 1, of the length of what it is applied to. */
const part = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
const someBytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 16 }),
  fc.constantFrom(
    ...['ffffffffffffffff', '0000000000000000', 'ffffffffffff0f00', '0100000000000000', '00000080'].map((hex) => Buffer.from(hex, 'hex')),
  ),
  fc.constantFrom(...['TAPE', 'SSET', 'MSLS', 'SFMB', 'ESET', 'MQCI', 'SPAD', 'SCIN', 'SFIN', 'RAID'].map((name) => Buffer.from(name))),
)
const length = fc.oneof(fc.constantFrom(512, 1024, 4096), fc.integer({ min: 1, max: 9000 }))
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ type: fc.constant('bits' as const), at: part, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ type: fc.constant('bytes' as const), at: part, bytes: someBytes }),
  { weight: 4, arbitrary: fc.record({ type: fc.constant('header' as const), place: part, at: part, bytes: someBytes }) },
  fc.record({ type: fc.constantFrom('remove' as const, 'repeat' as const), at: part, length }),
  fc.record({ type: fc.constant('cut' as const), at: part }),
)

function changed(original: Buffer, headers: readonly HeaderPlace[], changes: readonly Change[]): Buffer {
  let bytes: Buffer = Buffer.from(original)
  for (const one of changes) bytes = applied(bytes, headers, one)
  return bytes
}

function applied(bytes: Buffer, headers: readonly HeaderPlace[], one: Change): Buffer {
  const at = Math.floor(one.at * bytes.length)
  if (one.type === 'cut') return bytes.subarray(0, at)
  if (one.type === 'bits') bytes[at] = (bytes[at] ?? 0) ^ one.mask
  else if (one.type === 'bytes') bytes.set(one.bytes.subarray(0, bytes.length - at), at)
  else if (one.type === 'header') changeHeader(bytes, headers[Math.floor(one.place * headers.length)], one)
  else {
    const behind = one.type === 'remove' ? at + one.length : Math.max(0, at - one.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(behind, bytes.length))])
  }
  return bytes
}

function changeHeader(
  bytes: Buffer,
  place: HeaderPlace | undefined,
  { at, bytes: put }: { readonly at: number; readonly bytes: Uint8Array },
): void {
  if (place === undefined || place.offset + place.length > bytes.length) return
  const within = Math.floor(at * (place.length - 2))
  bytes.set(put.subarray(0, place.length - 2 - within), place.offset + within)
  sealHeader(bytes, place)
}

it('broken backup files are read to an answer, in few small reads', { timeout: patience }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: originals.length - 1 }), fc.array(change, { minLength: 1, maxLength: 6 }), async (index, changes) => {
      const bytes = changed(originals[index] ?? Buffer.alloc(0), places[index] ?? [], changes)
      const source = sourceOf(bytes)
      const { facts, findings, format } = await inspectBackupFile(source)
      expect(source.bytesRead).toBeLessThanOrEqual(3 * bytes.length + 128 * 1024)
      if (format === 'tape' && !findings.some(({ severity }) => severity === 'error')) expect(facts?.complete).toBe(true)
      for (const { message, hint, code } of findings) {
        expect(message).not.toMatch(/undefined|NaN|\[object/)
        expect(hint).toMatch(/^[A-Z].*\.$/)
        expect(['CORRUPTED', 'UNSUPPORTED', 'INVALID_INPUT']).toContain(code)
      }
      await verifyBackupFile({ name: 'broken', source })
    }),
    runs,
  )
})

it('bytes that are no file at all are read to an answer', { timeout: patience }, async () => {
  const magic = fc.constantFrom('', 'TAPE', 'MSSQLBAK')
  await fc.assert(
    fc.asyncProperty(magic, fc.uint8Array({ maxLength: 4000, size: 'max' }), async (begin, bytes) => {
      const { findings } = await inspectBackupFile(sourceOf(Buffer.concat([Buffer.from(begin), bytes])))
      expect(findings.some(({ severity }) => severity === 'error')).toBe(true)
    }),
    { ...runs, numRuns: Math.ceil(runs.numRuns / 10) },
  )
})
