import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, open, readdir, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

/** A folder as backups meet them: dumps and logs, pages of databases, what is compressed already, many small files, and copies. */
export async function writeMixedFiles(directory: string, megabytes: number): Promise<void> {
  const random = randomNumbers(20_260_101)
  const share = (percent: number) => Math.round((megabytes * 1e6 * percent) / 100)
  await writeFile(join(directory, 'dumps/shop.sql'), share(25), () => sqlRow(random))
  await writeFile(join(directory, 'dumps/ledger.tsv'), share(10), () => tabRow(random))
  await writeFile(join(directory, 'pages/tables.ibd'), share(25), () => databasePage(random))
  await writeFile(join(directory, 'archives/photos.bin'), share(25), () => noise(random, 64 * 1024))
  for (let left = share(10), number = 0; left > 0; number++) {
    const size = Math.min(left, 2000 + Math.floor(random() * 60_000))
    await writeFile(join(directory, `small/${number % 50}/${number}.txt`), size, () => sqlRow(random))
    left -= size
  }
  // The same rows once more, as a copy that somebody made: found by whoever deduplicates.
  const again = randomNumbers(20_260_101)
  await writeFile(join(directory, 'dumps/shop-copy.sql'), share(5), () => sqlRow(again))
}

/** Turns one per cent of every large file, in runs of a few pages. */
export async function changeOnePercent(directory: string, seed: number): Promise<void> {
  const random = randomNumbers(seed)
  for (const path of await filesBelow(directory)) {
    const { size } = await stat(path)
    if (size < 1e6) continue
    const file = await open(path, 'r+')
    const run = 256 * 1024
    for (let changed = 0; changed < size / 100; changed += run) {
      await file.write(noise(random, run), 0, run, Math.floor(random() * Math.max(1, size - run)))
    }
    await file.close()
  }
}

export async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** SHA-256 of everything below a folder, names included. */
export async function fingerprint(directory: string): Promise<string> {
  const hash = createHash('sha256')
  for (const path of await filesBelow(directory)) {
    hash.update(`${relative(directory, path)}\0`)
    const file = await open(path)
    for await (const chunk of file.createReadStream({ highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array)
  }
  return hash.digest('hex')
}

async function writeFile(path: string, size: number, piece: () => Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const stream = createWriteStream(path, { highWaterMark: 2 ** 20 })
  for (let left = size; left > 0; ) {
    const bytes = piece().subarray(0, left)
    left -= bytes.byteLength
    if (!stream.write(bytes)) await once(stream, 'drain')
  }
  stream.end()
  await once(stream, 'close')
}

const words = 'order customer shipped invoice amount street city returned paid open note with large blue small red discount price'.split(
  ' ',
)

function sqlRow(random: () => number): Buffer {
  const word = () => words[Math.floor(random() * words.length)]
  const number = (most: number) => Math.floor(random() * most)
  return Buffer.from(
    `INSERT INTO orders VALUES (${number(1e9)},'${word()} ${word()} ${word()}',${number(1e5)}.${number(100)},'2026-0${1 + number(9)}-1${number(10)}','${number(2 ** 31).toString(16)}');\n`,
  )
}

function tabRow(random: () => number): Buffer {
  const number = (most: number) => Math.floor(random() * most)
  return Buffer.from(`${number(1e7)}\t${number(1e6)}\t${number(1e4)}.${number(100)}\t${number(2)}\t\\N\n`)
}

/** 16 KiB, two thirds filled: half of it text, half of it numbers. */
function databasePage(random: () => number): Buffer {
  const page = Buffer.alloc(16 * 1024)
  for (let at = 0; at < 10_000; at += 100) {
    noise(random, 40).copy(page, at)
    page.write(words[Math.floor(random() * words.length)] ?? '', at + 44)
  }
  return page
}

function noise(random: () => number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), Math.min(at, size - 4))
  return bytes
}

/** The same numbers for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
