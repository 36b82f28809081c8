import { chmod, open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DrillBench } from './drill-bench.ts'

let bench: DrillBench
beforeAll(async () => {
  bench = await DrillBench.start()
}, 120_000)
afterAll(() => bench?.dispose())

test('a damaged volume and a damaged pack: failed, with evidence, and nothing left', { timeout: 120_000 }, async () => {
  await turnBytes(join(bench.directory, 'plain'), (name) => /\.tar/.test(name))
  const damaged = await bench.ask('drill', 'shop')
  expect(damaged).toMatchObject({ code: 1, stdout: expect.stringMatching(/CORRUPTED.*failed: drill of job shop\n$/s) })
  expect((await bench.outcomes('shop')).at(-1)).toBe('failed')

  expect(await bench.ask('run', 'safe')).toMatchObject({ code: 0 })
  await turnBytes(join(bench.directory, 'packed', 'data'), () => true, 100_000)
  expect(await bench.ask('drill', 'safe')).toMatchObject({ code: 1, stdout: expect.stringContaining('drill of job safe') })
  expect(await bench.outcomes('safe')).toEqual(['failed'])
  expect(await bench.ask('evidence', 'safe', '--verify')).toMatchObject({ code: 0 })
  expect(await bench.left()).toEqual({ places: [], servers: [] })
})

/** Turns some bytes in the middle of every file of this kind. */
async function turnBytes(folder: string, select: (name: string) => boolean, smallest = 1000): Promise<void> {
  let turned = 0
  for (const name of (await readdir(folder, { recursive: true })).filter(select)) {
    const path = join(folder, name)
    const { size, mode } = await stat(path)
    if (size < smallest || (mode & 0o170000) !== 0o100000) continue
    await chmod(path, 0o600)
    await using file = await open(path, 'r+')
    const bytes = await readFile(path)
    await file.write(Buffer.from(bytes.subarray(size >> 1, (size >> 1) + 16).map((byte) => byte ^ 0xff)), 0, 16, size >> 1)
    turned++
  }
  expect(turned).toBeGreaterThan(0)
}
