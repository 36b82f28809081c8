import { randomFillSync, randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { BlobIndex } from '../packages/repository-restic/src/blob-index/blob-index.ts'
import { median } from './median.ts'
import { wholeNumber } from './whole-number.ts'

/**
 * `npm run bench -- blob-index`: the memory that the index of a repository takes, and the time of a look-up that hits and of one that misses,
 * as medians of all rounds. Look-ups are in random order; their time is what the thread ran, so that others at work do not count as much.
 * BLOB_INDEX_BLOBS (10 000 000) and BLOB_INDEX_ROUNDS (9) change its size. Writes `blob-index-results.json` beside itself.
 * The goal for ten million blobs is within 640 MB, and below 1 µs.
 */
const blobs = wholeNumber('BLOB_INDEX_BLOBS', 10_000_000)
const rounds = wholeNumber('BLOB_INDEX_ROUNDS', 9)

/** Chunks that fill a pack of 16 MiB. Trees and small files are more to a pack, and make fewer packs. */
const blobsInPack = 16
const packs = Math.ceil(blobs / blobsInPack)
const idBytes = 32

/** One blob of every pack, and as many that are in none. */
const known = new Uint8Array(packs * idBytes).fill(1)
const unknown = randomFillSync(new Uint8Array(packs * idBytes))

const index = new BlobIndex()
const residentBefore = process.memoryUsage.rss()
const addNanoseconds = fill()
const residentBytes = process.memoryUsage.rss() - residentBefore
if (index.size !== blobs) throw new Error(`the index holds ${index.size} of ${blobs} blobs`)
shuffle(known)

const knownIds = viewsOf(known)
const unknownIds = viewsOf(unknown)
const lookUps = {
  'has, hit': () => knownIds.filter((id) => index.has('data', id)).length,
  'has, miss': () => unknownIds.filter((id) => !index.has('data', id)).length,
  'find, hit': () => knownIds.filter((id) => index.find('data', id) !== undefined).length,
  'find + packId': () => knownIds.filter((id) => index.packId(index.find('data', id)?.packNumber ?? packs).length === 64).length,
}
const samples = new Map<string, number[]>(Object.keys(lookUps).map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const [name, lookUp] of Object.entries(lookUps)) {
    const began = process.threadCpuUsage()
    const right = lookUp()
    samples.get(name)?.push(nanosecondsSince(began) / packs)
    if (right !== packs) throw new Error(`${packs - right} of ${packs} look-ups of "${name}" were wrong`)
  }
}

const nanoseconds = Object.fromEntries([
  ['add', Math.round(addNanoseconds)],
  ...[...samples].map(([name, values]) => [name, Math.round(median(values))] as const),
])
const results = { blobs, packs, heldBytes: index.bytes, residentBytes, nanoseconds }
const machine = { processors: availableParallelism(), model: cpus()[0]?.model, node: process.version }
await writeFile(
  join(import.meta.dirname, 'blob-index-results.json'),
  `${JSON.stringify({ at: new Date().toISOString(), rounds, machine, results }, undefined, 2)}\n`,
)
process.stdout.write(`
index of ${blobs.toLocaleString('en')} blobs in ${packs.toLocaleString('en')} packs
  memory held    ${megabytes(index.bytes)}   ${(index.bytes / blobs).toFixed(1)} bytes a blob
  process grew   ${megabytes(residentBytes)}
${Object.entries(nanoseconds)
  .map(([name, value]) => `  ${name.padEnd(13)}  ${String(value).padStart(3)} ns\n`)
  .join('')}`)

/** Fills the index with random blobs, one of each pack also into {@link known}; returns nanoseconds a blob. */
function fill(): number {
  const pack = new Uint8Array(idBytes)
  const ids = new Uint8Array(blobsInPack * idBytes)
  let spent = 0
  for (let number = 0; number < packs; number++) {
    randomFillSync(pack)
    randomFillSync(ids)
    const packId = Buffer.from(pack).toString('hex')
    const count = Math.min(blobsInPack, blobs - number * blobsInPack)
    const began = process.threadCpuUsage()
    const packNumber = index.addPack(packId)
    for (let blob = 0; blob < count; blob++) {
      index.add(packNumber, 'data', ids.subarray(blob * idBytes, (blob + 1) * idBytes), blob * 1_048_576, 1_048_576, 3_000_000)
    }
    spent += nanosecondsSince(began)
    const kept = (number % count) * idBytes
    known.set(ids.subarray(kept, kept + idBytes), number * idBytes)
  }
  return spent / blobs
}

function nanosecondsSince(began: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(began)
  return (user + system) * 1000
}

function viewsOf(ids: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: packs }, (_, number) => ids.subarray(number * idBytes, (number + 1) * idBytes))
}

function shuffle(ids: Uint8Array): void {
  for (let last = ids.length / idBytes - 1; last > 0; last--) {
    const other = randomInt(last + 1)
    const moved = ids.slice(last * idBytes, (last + 1) * idBytes)
    ids.copyWithin(last * idBytes, other * idBytes, (other + 1) * idBytes)
    ids.set(moved, other * idBytes)
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
