import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command, commandInto, startCommand } from './child-command.ts'

const plugin = join(import.meta.dirname, '..', 'src', '__fixtures__', 'hanging-plugin.ts')
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-signals-'))
  const configuration = `repositories: { local: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: sample, plugin: ${JSON.stringify(plugin)}, repository: local } }
staging: { directory: ./staging }
`
  await writeFile(join(directory, 'backup-planet.yaml'), configuration, { mode: 0o600 })
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s in the middle of a run: 130, cleaned up, nothing listed, and the next run works',
  async (signal) => {
    const run = startCommand(['run', 'shop'], { SAMPLE_HANGS: '1' }, directory)
    await run.said('capture hangs')
    run.signal(signal)
    const { code, stderr } = await run.ended
    expect(stderr).toContain(`${signal}: stopping and cleaning up`)
    expect(stderr).toContain('failed: ABORTED')
    expect(code).toBe(130)
    expect(await command(['list'], {}, directory)).toMatchObject({ code: 0, stdout: 'no backups yet\n' })
    const left = await readdir(join(directory, 'staging'), { recursive: true })
    expect(left.filter((name) => name.includes('text.txt'))).toEqual([])
    expect(await command(['run', 'shop'], {}, directory)).toMatchObject({ code: 0 })
  },
)

test.each(['SIGINT', 'SIGTERM'] as const)('%s is how following ends: what had come is stored, and the exit code is 0', async (signal) => {
  const following = join(import.meta.dirname, '..', 'src', '__fixtures__', 'following-plugin.ts')
  const configuration = `repositories: { local: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: memory, plugin: ${JSON.stringify(following)}, repository: local, settings: { server: source } } }
staging: { directory: ./staging }
`
  await writeFile(join(directory, 'backup-planet.yaml'), configuration, { mode: 0o600 })
  const run = startCommand(['follow', 'shop', '--every', '100ms', '--json'], {}, directory)
  await run.said('"type":"following"')
  run.signal(signal)
  const { code, stdout } = await run.ended
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines.at(-1)).toMatchObject({ type: 'result', command: 'follow' })
  expect(code).toBe(0)
  const { stored } = lines.at(-1) as { stored: number }
  expect(lines.filter(({ type }) => type === 'stored')).toHaveLength(stored)
  expect((await command(['list'], {}, directory)).stdout.split('\n').filter((line) => line.startsWith('shop'))).toHaveLength(stored)
  expect((await readdir(join(directory, 'staging'), { recursive: true })).filter((name) => /changes|content|~/.test(name))).toEqual([])
})

test('a second signal does not wait for a server that does not answer', async () => {
  const run = startCommand(['run', 'shop'], { SAMPLE_HANGS: 'deaf' }, directory)
  await run.said('capture hangs')
  run.signal('SIGINT')
  await run.said('once more to leave at once')
  run.signal('SIGINT')
  const { code, stderr } = await run.ended
  expect(code).toBe(130)
  expect(stderr).not.toMatch(/\n {4}at /)
  expect(await command(['list'], {}, directory)).toMatchObject({ stdout: 'no backups yet\n' })
})

test.each([[['stdout']], [['stderr']], [['stdout', 'stderr']]] as const)(
  'a run whose %s nobody reads any more goes on to its end',
  async (streams) => {
    const run = startCommand(['run', 'shop', '--json'], { SAMPLE_SLOW: '1' }, directory)
    await run.said('"type":"started"')
    run.stopReading(...streams)
    const { code, stderr } = await run.ended
    expect(code).toBe(0)
    expect(stderr).not.toMatch(/EPIPE|\n {4}at /)
    expect((await command(['list'], {}, directory)).stdout).toMatch(/\nshop .* complete /)
  },
)

test('a command that only tells ends when nobody reads any more, without a word', async () => {
  await command(['run', 'shop'], {}, directory)
  const run = startCommand(['verify', '--json'], {}, directory)
  run.stopReading('stdout')
  const { code, stderr } = await run.ended
  expect(code).toBe(0)
  expect(stderr).not.toMatch(/EPIPE|\n {4}at /)
})

test.skipIf(process.platform !== 'linux')(
  'a log on a full disk does not end a run, and a list that cannot be written is a failure',
  async () => {
    // /dev/full takes nothing, as a disk without room.
    const full = await open('/dev/full', 'w')
    try {
      const run = await commandInto(full.fd, ['run', 'shop', '--json'], directory)
      expect(run.stderr).toContain('standard output cannot be written (ENOSPC)')
      expect(run.stderr).not.toMatch(/\n {4}at /)
      expect(run.code).toBe(0)
      const list = await commandInto(full.fd, ['list'], directory)
      expect(list.stderr).toContain('standard output cannot be written (ENOSPC)')
      expect(list.stderr).not.toMatch(/\n {4}at /)
      expect(list.code).toBe(1)
    } finally {
      await full.close()
    }
    expect((await command(['list'], {}, directory)).stdout).toMatch(/\nshop .* complete /)
  },
)

test('a command that succeeds leaves at once and prints nothing but its result', async () => {
  const beganAt = performance.now()
  expect(await command(['discover', 'shop'], {}, directory)).toEqual({
    code: 0,
    stdout: 'sample: sample 1.0, 1 item\nITEM    SIZE  DETAIL\norders  10 B  1 text\n',
    stderr: '',
  })
  expect(performance.now() - beganAt).toBeLessThan(4500)
})
