import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StagedFile } from '../contracts/index.ts'
import { createDirectoryStaging } from './directory-staging.ts'

async function bytesBelow(folder: string): Promise<number> {
  let sum = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    sum += await stat(path.join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    )
  }
  return sum
}

test('the disk never holds more than the budget, with real files, several writers and a lazy drainer', async () => {
  const budget = 4_000_000
  const directory = await mkdtemp(path.join(tmpdir(), 'disk-budget-'))
  try {
    const sizes = fc.array(fc.array(fc.integer({ min: 0, max: budget / 2 }), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 50_000, max: 1_000_000 }), async (writers, chunkSize) => {
        const both = await createDirectoryStaging({ directory, budgetBytes: budget, minimumFreeBytes: 0 }).begin({
          job: 'j',
          id: 'r',
          beganAt: '',
        })
        let received = 0
        const drained = (async () => {
          const held: StagedFile[] = []
          for await (const event of both.contents.drain()) {
            if (event.type === 'file') {
              held.push(event.file)
              received += event.file.size
            } else if (event.type === 'pressure') await held.shift()?.release()
            // Only this loop removes files, so none goes away while it counts.
            expect(await bytesBelow(both.stage.directory)).toBeLessThanOrEqual(budget)
          }
        })()
        await Promise.all(
          writers.map(async (files, writer) => {
            for (const [index, size] of files.entries()) {
              const content = async function* () {
                for (let left = size; left > 0; left -= chunkSize) yield Buffer.alloc(Math.min(left, chunkSize))
              }
              await both.stage.write({ item: `i${writer}`, name: `f${index}` }, content())
            }
            await both.stage.sealItem({ item: `i${writer}`, facts: {} })
          }),
        )
        await both.stage.seal({
          application: 'a',
          source: { id: '', name: '', version: '' },
          kind: 'full',
          consistentAt: '',
          facts: {},
          restoreGuide: '',
        })
        await drained
        expect(received).toBe(writers.flat().reduce((sum, size) => sum + size, 0))
        await both.remove()
      }),
      { numRuns: 12 },
    )
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
