import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const script = [join(import.meta.dirname, 'quickstart.ts')]

async function scratchFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'quick start-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

function quickstart(folder: string, directory: string) {
  return run(process.execPath, ['--conditions=@backup-planet/source', ...script, folder], { cwd: directory })
}

test('the quickstart brings the shop back whole, and the commands it prints work', { timeout: 240_000 }, async () => {
  const directory = await scratchFolder()
  const { stdout } = await quickstart('a folder', directory)
  expect(stdout).toContain('none differs')
  expect(stdout).toContain('It came back whole')

  const [, first = '', second = '', log = ''] =
    /The first full backup sent ([\d,]+) bytes; the second, .*, ([\d,]+) bytes .*; the log backup of a morning ([\d,]+) bytes/.exec(
      stdout,
    ) ?? []
  expect(bytes(first)).toBeGreaterThan(1_000_000)
  expect(bytes(second)).toBeLessThan(bytes(first) / 20)
  expect(bytes(log)).toBeLessThan(bytes(first) / 20)

  const [, accident = ''] = /DELETE FROM shop\.order_line at (\S+)/.exec(stdout) ?? []
  expect(stdout).toMatch(/^any moment /m)
  expect(stdout).toContain(`restore shop --at ${accident} --to scratch`)
  expect(stdout).toContain(`It came back whole, as it was before ${accident}: `)

  const [snapshots = '', restore = ''] = [...stdout.matchAll(/^ {2}(restic -r .*)$/gm)].map(([, command = '']) => `${command} --no-cache`)
  const unpacked = join(directory, 'unpacked')
  expect((await run('sh', ['-c', snapshots], { cwd: directory })).stdout).toMatch(/\bjob=shop\b.*\n4 snapshots\n/s)
  expect(stdout).toMatch(/^ {4}4 snapshots$/m)
  await run('sh', ['-c', restore.replace('/tmp/shop', `'${unpacked}'`)], { cwd: directory })
  expect(await readdir(unpacked, { recursive: true })).toEqual(
    expect.arrayContaining(['RESTORE.md', expect.stringContaining('shop.customer-schema.sql')]),
  )

  const passwords = await Promise.all(
    ['shop-password', 'scratch-password', 'repository-password'].map((name) => readFile(join(directory, 'a folder', name), 'utf8')),
  )
  for (const password of passwords) expect(stdout).not.toContain(password.trim())
})

function bytes(text: string): number {
  return Number(text.replaceAll(',', ''))
}

test('the quickstart touches no folder that it did not make', async () => {
  const directory = await scratchFolder()
  await writeFile(join(directory, 'letter.txt'), 'dear reader')
  await expect(quickstart(directory, directory)).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('no quickstart made') })
  expect(await readdir(directory)).toEqual(['letter.txt'])
})
