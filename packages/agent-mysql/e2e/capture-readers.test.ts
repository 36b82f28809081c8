import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReadFile } from '../src/dump/read-file-queue.ts'
import { createTableReader, type TableReader } from '../src/dump/table-reader.ts'
import { resolvedSettings, until } from './capture-fixture.ts'

/**
 * One reading thread and whoever consumes its files, in every order that could make two wait for each other. A standstill is a timeout of the
 * test. After each disturbance the same reader must read the whole table again: what a failure left behind would starve it.
 */
let server: ThrowawayMariadb
const rows = 3000

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE many; USE many; CREATE TABLE t (id INT PRIMARY KEY, x CHAR(250)); INSERT INTO t SELECT seq, SHA2(seq, 512) FROM seq_1_to_${rows};
    CREATE TABLE large (id INT PRIMARY KEY, x CHAR(250)); INSERT INTO large SELECT seq, SHA2(seq, 512) FROM seq_1_to_200000;`)
})
afterAll(async () => {
  await server?.stop()
})

/** Files of about 30 rows each: a hundred a table. */
async function openReader(chunkBytes = 4096): Promise<TableReader> {
  const settings = resolvedSettings(server, { chunkBytes })
  const reader = await createTableReader({ connection: settings, tableWaitSeconds: 10, idleSeconds: 600, chunkBytes, compressionLevel: 1 })
  await reader.beginSnapshot()
  return reader
}

type Consumer = (file: ReadFile, number: number) => Promise<void>

async function readTable(reader: TableReader, consumer: Consumer, table = 't'): Promise<number> {
  let files = 0
  const result = await reader.read(
    { name: `many.${table}`, sql: `SELECT id, x FROM many.${table}`, columns: 2, proof: [] },
    { onFile: (file) => consumer(file, files++) },
  )
  return result.rows
}

async function consume(file: ReadFile): Promise<void> {
  for await (const _ of file.content);
  await file.facts
}

/** Reads the whole table; the rows that the files say they hold are all there. */
async function readsOn(reader: TableReader): Promise<void> {
  let told = 0
  const counted = await readTable(reader, async (file) => {
    await consume(file)
    told += (await file.facts).rows
  })
  expect([counted, told]).toEqual([rows, rows])
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('files that are consumed only after the one before is complete', async () => {
  await using reader = await openReader()
  let before = Promise.resolve()
  const counted = await readTable(reader, (file) => {
    before = before.then(() => consume(file))
    return before
  })
  expect(counted).toBe(rows)
})

test('files that are consumed only once the next two have begun', async () => {
  await using reader = await openReader()
  let files = 0
  await readTable(reader, (file) => {
    files++
    return consume(file)
  })
  expect(files).toBeGreaterThan(50)
  const waiting: (() => void)[] = []
  let begun = 0
  const counted = await readTable(reader, async (file) => {
    const turn = new Promise<void>((resolve) => waiting.push(resolve))
    begun++
    if (begun > 2) waiting.shift()?.()
    if (begun === files) for (const begin of waiting) begin()
    await turn
    await consume(file)
  })
  expect(counted).toBe(rows)
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])('consumers that dawdle, give up or let go at random, seed %i', async (seed) => {
  const random = seeded(seed)
  await using reader = await openReader()
  for (let round = 0; round < 4; round++) {
    const failing = Math.floor(random() * 90)
    const manner = ['throws before reading', 'throws in the middle', 'leaves and throws', 'reads all'][Math.floor(random() * 4)]
    const reading = readTable(reader, async (file, number) => {
      await turns(Math.floor(random() * 20))
      if (number === failing && manner === 'throws before reading') throw new TypeError('given up')
      for await (const _ of file.content) {
        await turns(Math.floor(random() * 5))
        if (number !== failing) continue
        if (manner === 'throws in the middle') throw new TypeError('given up')
        if (manner === 'leaves and throws') break
      }
      if (number === failing && manner === 'leaves and throws') throw new TypeError('given up')
      await file.facts
    })
    if (manner === 'reads all') expect(await reading).toBe(rows)
    else await expect(reading).rejects.toThrow('given up')
    await readsOn(reader)
  }
})

test.each([4096, 65_536, 1_048_576])(
  'a query that the server ends in the middle, with files of %i bytes waiting, leaves a reader that reads on',
  async (chunkBytes) => {
    await using reader = await openReader(chunkBytes)
    let open: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    let begun = 0
    const settled: string[] = []
    const reading = readTable(
      reader,
      async (file) => {
        begun++
        await gate
        await consume(file).then(
          () => settled.push('read'),
          (error: unknown) => {
            settled.push('failed')
            throw error
          },
        )
      },
      'large',
    )
    reading.catch(() => undefined)
    await until('a file', async () => (begun > 0 ? true : undefined))
    // Nothing is consumed: the reader stands, and the query with it.
    await until('the query', async () => {
      const info = await server.client(`SELECT info FROM information_schema.processlist WHERE id = ${reader.threadId}`)
      return info.includes('large') ? true : undefined
    })
    await server.client(`KILL QUERY ${reader.threadId}`)
    open()
    await expect(reading).rejects.toMatchObject({ message: expect.stringMatching(/interrupted/i) })
    expect(settled).toHaveLength(begun)
    for (let turn = 0; turn < 3; turn++) await readsOn(reader)
  },
)

test('a reader that is ended while its files wait fails every one of them, and the reading', async () => {
  await using reader = await openReader()
  let begun = 0
  let failed = 0
  const reading = readTable(
    reader,
    async (file) => {
      begun++
      if (begun === 20) void reader.terminate()
      await consume(file).catch((error: unknown) => {
        failed++
        throw error
      })
    },
    'large',
  )
  await expect(reading).rejects.toMatchObject({ code: 'ABORTED' })
  expect(failed).toBeGreaterThan(0)
})

test('a reader whose connection is killed fails every file that waits, and the reading', async () => {
  await using reader = await openReader()
  let begun = 0
  const ends: Promise<void>[] = []
  const reading = readTable(
    reader,
    (file) => {
      begun++
      const end = consume(file)
      ends.push(end)
      if (begun === 20) void server.client(`KILL ${reader.threadId}`)
      return end
    },
    'large',
  )
  await expect(reading).rejects.toMatchObject({ code: 'UNREACHABLE' })
  await Promise.allSettled(ends)
  expect((await reader.lost).code).toBe('UNREACHABLE')
})
