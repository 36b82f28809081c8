import type { Backup } from '@backup-planet/core'
import { createMemoryUploader, type MemoryObject, sampleBytes } from '@backup-planet/core/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { type NeededBlob, neededBlobs } from './__fixtures__/needed-blobs.ts'
import {
  type Contents,
  differences,
  emptyRepository,
  filesOf,
  findingsOf,
  listing,
  openObjects,
  openUploader,
  restored,
  restoredAtOnce,
  storeContents,
} from './__fixtures__/small-repository.ts'

/** Every byte with `BACKUP_PLANET_RESTIC_EVERY_BYTE=1`; else one of so many, from a random one on, and where blobs and headers meet. */
const stride = process.env.BACKUP_PLANET_RESTIC_EVERY_BYTE === '1' ? 1 : 97
const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31)

const shared = sampleBytes(1500, 1)
const contents: Readonly<Record<string, Contents>> = {
  'run-1': { shop: { 'data.sql': sampleBytes(700, 2), 'shared.sql': shared } },
  'run-2': { shop: { 'data.sql': sampleBytes(800, 3), 'shared.sql': shared }, stock: { 'text.sql': Buffer.alloc(4000, 'all the same ') } },
  'run-3': { other: { empty: new Uint8Array(0), 'own.bin': sampleBytes(900, 4) } },
}
const runs = Object.keys(contents)

let pristine: ReadonlyMap<string, MemoryObject>
let needed: readonly NeededBlob[]
/** As they were listed before anything was damaged. */
let backups: readonly Backup[]

beforeAll(async () => {
  const objects = await emptyRepository()
  for (const [id, content] of Object.entries(contents)) await storeContents(openUploader(createMemoryUploader({ objects })), id, content)
  pristine = objects
  needed = await neededBlobs(createMemoryUploader({ objects }))
  backups = (await listing(openObjects(pristine))).backups
})

let flips = 0
afterAll(() => recordEvidence(import.meta.url, { 'bytes flipped, one at a time': flips }))

const keysOf = (kind: string) => [...pristine.keys()].filter((key) => key === kind || key.startsWith(`${kind}/`))
const bytesAt = (key: string) => Buffer.from(pristine.get(key)?.bytes ?? [])

it('begins with a repository of one key, three backups that share content, and packs of data and of trees', async () => {
  const counts = Object.fromEntries(['keys', 'config', 'snapshots', 'index', 'data', 'locks'].map((kind) => [kind, keysOf(kind).length]))
  expect(counts).toEqual({ keys: 1, config: 1, snapshots: 3, index: 3, data: 9, locks: 0 })
  expect(needed.some((part) => part.backups.size > 1)).toBe(true)
  await expectOutcome(pristine, { named: undefined, hit: new Set(), gone: new Set() }, 'undamaged')
})

interface Outcome {
  /** The object that a finding names. */
  readonly named: string | undefined
  /** Backups that `verify` tells to be damaged. */
  readonly hit: ReadonlySet<string>
  /** Backups of which there is no record any more. */
  readonly gone: ReadonlySet<string>
}

/** Never wrong bytes for right ones; `verify` says which backups are hit, and only those; the others restore. */
async function expectOutcome(objects: ReadonlyMap<string, MemoryObject>, { named, hit, gone }: Outcome, label: string): Promise<void> {
  const findings = await findingsOf(openObjects(objects), { readData: true })
  const told = findings.filter(({ severity }) => severity === 'error')
  const whole = findings.filter(({ severity }) => severity === 'ok').map(({ backup }) => backup)
  const expected = runs.filter((id) => !hit.has(id) && !gone.has(id))
  expect(whole.sort(), label).toEqual(expected)
  expect([...new Set(told.flatMap(({ backup }) => backup ?? []))].sort(), label).toEqual([...hit].sort())
  for (const { hint, message } of told) expect(hint, `${label}: ${message}`).toMatch(/^[A-Z].+\.$/)
  if (named !== undefined)
    expect(
      told.map(({ key }) => key),
      label,
    ).toContain(named)
  else expect(told, label).toEqual([])

  const repository = openObjects(objects)
  const { backups: listed, problems } = await listing(repository)
  expect(
    listed.map(({ id }) => id),
    label,
  ).toEqual(expect.arrayContaining(expected))
  if (listed.length < runs.length - gone.size) expect(problems.map(({ message }) => message).join(), label).toContain(named)
  for (const backup of backups) {
    if (gone.has(backup.id)) continue
    const right = filesOf(contents[backup.id] ?? {})
    if (expected.includes(backup.id)) {
      expect(differences(await restoredAtOnce(repository, backup), right), label).toEqual([])
      expect(await repository.readGuide?.(backup), label).toContain(backup.id)
      continue
    }
    const files = await restored(repository, backup).catch((error: Error) => new Map([['all', error]]))
    for (const [name, bytes] of files) {
      if (bytes instanceof Error)
        expect(bytes, label).toMatchObject({
          code: expect.stringMatching(/^(CORRUPTED|NOT_FOUND)$/),
          message: expect.stringContaining(named ?? ''),
        })
      else expect(right.get(name)?.equals(bytes), `${label}: ${name}`).toBe(true)
    }
  }
}

function changed(key: string, change: (bytes: Buffer) => Buffer | undefined): Map<string, MemoryObject> {
  const objects = new Map(pristine)
  const object = pristine.get(key)
  const bytes = change(bytesAt(key))
  if (object === undefined || bytes === undefined) objects.delete(key)
  else objects.set(key, { ...object, bytes })
  return objects
}

function flipped(key: string, at: number): Map<string, MemoryObject> {
  flips++
  return changed(key, (bytes) => {
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << ((seed + at) % 8)), at)
    return bytes
  })
}

/** What becomes of the backups when bytes of an object from `begin` on, and before `end`, are not what they were. */
function outcomeOf(key: string, begin: number, end: number): Outcome {
  const parts = needed.filter((part) => part.key === key && part.begin < end && part.end > begin)
  const gone = key.startsWith('snapshots/')
    ? backups.filter(({ storage }) => key.endsWith(String(storage.snapshot))).map(({ id }) => id)
    : []
  return { named: key, hit: new Set(parts.flatMap((part) => [...part.backups])), gone: new Set(gone) }
}

async function expectNoKey(objects: ReadonlyMap<string, MemoryObject>, named: string, label: string): Promise<void> {
  const error = { code: 'CORRUPTED', message: expect.stringContaining(named), hint: expect.stringMatching(/\.$/) }
  await expect(listing(openObjects(objects)), label).rejects.toMatchObject(error)
  await expect(findingsOf(openObjects(objects), { readData: true }), label).rejects.toMatchObject(error)
}

it('finds every flipped byte of a key, and names it', { timeout: 60_000 }, async () => {
  for (const key of keysOf('keys'))
    for (let at = 0; at < bytesAt(key).length; at++) await expectNoKey(flipped(key, at), key, `${key} at ${at}`)
})

it.each(['config', 'snapshots', 'index', 'data'])(
  `finds flipped bytes of %s, and tells the backups that are hit (seed ${seed}, one of ${stride})`,
  { timeout: stride === 1 ? 3_600_000 : 300_000 },
  async (kind) => {
    for (const key of keysOf(kind)) {
      const { length } = bytesAt(key)
      const borders = new Set([
        0,
        length - 5,
        length - 4,
        length - 1,
        ...needed.flatMap((part) => (part.key === key ? [part.begin, part.end - 1] : [])),
      ])
      for (let at = 0; at < length; at++) {
        if (at % stride !== seed % stride && !borders.has(at)) continue
        await expectOutcome(flipped(key, at), outcomeOf(key, at, at + 1), `${key} at ${at}, seed ${seed}`)
      }
    }
  },
)

it('finds every object that was cut short or has something behind it', { timeout: 120_000 }, async () => {
  for (const key of pristine.keys()) {
    const bytes = bytesAt(key)
    const borders = needed.flatMap((part) =>
      part.key === key ? (stride === 1 ? [part.begin, part.begin + 1, part.end - 1, part.end] : [part.end - 1]) : [],
    )
    const lengths = [0, 1, 4, 31, 32, 33, bytes.length >> 1, bytes.length - 33, bytes.length - 4, bytes.length - 1, ...borders]
    for (const length of new Set(lengths.filter((candidate) => candidate >= 0 && candidate < bytes.length))) {
      const label = `${key} cut to ${length}`
      const objects = changed(key, (whole) => whole.subarray(0, length))
      if (key.startsWith('keys/')) await expectNoKey(objects, key, label)
      else await expectOutcome(objects, outcomeOf(key, length, bytes.length), label)
    }
    const longer = changed(key, (whole) => Buffer.concat([whole, Buffer.of(0)]))
    if (key.startsWith('keys/')) await expectNoKey(longer, key, `${key} with a byte more`)
    else
      await expectOutcome(
        longer,
        { ...outcomeOf(key, 0, 0), ...(key.startsWith('snapshots/') ? outcomeOf(key, 0, 1) : {}) },
        `${key} with a byte more`,
      )
  }
})

it('finds every object that is gone: a snapshot is one backup less, and the packs of a lost index are told', {
  timeout: 60_000,
}, async () => {
  for (const key of pristine.keys()) {
    const objects = changed(key, () => undefined)
    const outcome = outcomeOf(key, 0, Number.POSITIVE_INFINITY)
    if (key.startsWith('keys/')) await expectNoKey(objects, 'keys', key)
    else if (key.startsWith('snapshots/')) await expectOutcome(objects, { ...outcome, named: undefined }, `without ${key}`)
    else if (!key.startsWith('index/')) await expectOutcome(objects, outcome, `without ${key}`)
    else {
      const told = (await findingsOf(openObjects(objects), { readData: true })).filter(({ severity }) => severity === 'error')
      expect(told.map(({ message }) => message).join('\n'), key).toMatch(/in no index/)
      const named = told.find(({ key: pack }) => pack !== undefined)?.key
      expect(named, key).toMatch(/^data\//)
      await expectOutcome(objects, { ...outcome, named }, `without ${key}`)
    }
  }
})
