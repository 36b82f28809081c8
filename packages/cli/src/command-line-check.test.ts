import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, directoryUploaderPlugin, type RepositoryPlugin, type UploaderPlugin, uploaderLayer } from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'
import { samplePlugin } from './__fixtures__/sample-agent.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

test('discover, check and run --plan change nothing', async () => {
  expect((await here.run(['discover', 'shop'])).stdout).toBe(
    'sample: sample 1.0, 2 items\nITEM    SIZE  DETAIL\norders  10 B  1 text\nnotes    6 B  1 text\n',
  )
  expect(await here.run(['check'])).toMatchObject({ code: 0, stdout: 'job shop: nothing stands against a backup\n' })
  expect((await here.run(['run', 'shop', '--plan'])).stdout).toBe(
    'full backup of sample (sample), 2 items, about 12 B\n\n 1. hold the texts\n 2. copy them\n',
  )
  expect(here.server.confirmed).toBe(0)
})

test('check tells problems with severity and hint, and fails only for errors', async () => {
  here.server.problems = [{ severity: 'warning', code: 'APPLICATION', message: 'binlog is off', hint: 'Set log_bin.' }]
  expect(await here.run(['check', 'shop'])).toMatchObject({
    code: 0,
    stdout: 'job shop: 1 problem\nwarning: APPLICATION\n  binlog is off\n  hint: Set log_bin.\n',
  })
  here.server.problems = [{ severity: 'error', code: 'ACCESS_DENIED', message: 'no right', hint: 'Grant it.' }]
  expect(await here.run(['check', 'shop', '--json'])).toMatchObject({
    code: 1,
    lines: [{ type: 'result', command: 'check', problems: here.server.problems }],
  })
})

test('check looks at everything, also when the server cannot be reached, and at every job', async () => {
  await using other = await commandLineOf(
    sampleConfiguration
      .replace('targets:', '  second: { agent: sample, repository: local }\ntargets:')
      .replace('budget: 64MiB', 'minimumFree: 900TiB'),
  )
  other.server.fault = 'unreachable'
  const { code, stdout } = await other.run(['check'])
  expect(stdout).toMatch(
    /^job shop: 2 problems\nerror: OUT_OF_SPACE\n.* and 900 TiB must stay free\n.*staging\.minimumFree\.\nerror: UNREACHABLE\n {2}nobody/,
  )
  expect(stdout).toContain('\njob second: 2 problems\n')
  expect(code).toBe(1)
})

test('check tells that a passphrase is not the one of the backups that are there', async () => {
  await using other = await commandLineOf(
    sampleConfiguration.replace('./backups }', `./backups, encryption: { passphrase: "\${env:PASSPHRASE}", workFactor: 10 } }`),
  )
  const environment = { SAMPLE_PASSWORD: samplePassword, XDG_STATE_HOME: other.directory, PASSPHRASE: 'the right one' }
  await other.run(['run', 'shop'], { environment })
  expect(await other.run(['check'], { environment })).toMatchObject({ code: 0 })
  const { code, stdout } = await other.run(['check'], { environment: { ...environment, PASSPHRASE: 'another one' } })
  expect(stdout).toMatch(
    /^job shop: 1 problem\nerror: WRONG_CREDENTIALS\n.*does not open shop\/identity\.age\n {2}hint: Set encryption\.passphrase/,
  )
  expect(code).toBe(1)
})

test('check tells a damaged record once', async () => {
  await here.run(['run', 'shop'])
  const [folder = ''] = await readdir(join(here.directory, 'backups', 'shop'))
  await writeFile(join(here.directory, 'backups', 'shop', folder, 'manifest.json'), '{}')
  expect((await here.run(['check'])).stdout).toMatch(/^job shop: 1 problem\nwarning: CORRUPTED\n/)
})

test('check writes to the repository, and tells when it cannot', async () => {
  expect(await here.run(['check'])).toMatchObject({ code: 0 })
  expect(await readdir(join(here.directory, 'backups'), { recursive: true })).toEqual([])
  const denied: UploaderPlugin = {
    ...directoryUploaderPlugin,
    create: (destination, settings) =>
      uploaderLayer(directoryUploaderPlugin.create(destination, settings), {
        upload: () => Promise.reject(new BackupError('the disk is read-only', { code: 'ACCESS_DENIED', hint: 'Mount it for writing.' })),
      }),
  }
  const { code, stdout } = await here.run(['check'], { plugins: [samplePlugin(here.server), denied] })
  expect(stdout).toMatch(
    /^job shop: 1 problem\nerror: ACCESS_DENIED\n {2}the repository file:.* cannot be written: the disk is read-only\n/,
  )
  expect(code).toBe(1)
})

test('a repository that cannot be reached does not hide the others from list and verify', async () => {
  await using other = await commandLineOf(
    sampleConfiguration.replace(
      'repositories:\n',
      'repositories:\n  gone: { kind: archive, destination: ./unmounted, uploader: { settings: { createDirectory: false } } }\n',
    ),
  )
  await other.run(['run', 'shop'])
  const list = await other.run(['list'])
  expect(list.stderr).toMatch(/^error: NOT_FOUND\n {2}the repository "gone" cannot be listed: .*\n {2}hint: .*mounted/)
  expect(list.stdout).toMatch(/\nlocal +shop .* complete /)
  expect(list.code).toBe(3)
  expect((await other.run(['list', '--json'])).lines.map(({ type }) => type)).toEqual(['backup', 'problem', 'result'])
  const verified = await other.run(['verify'])
  expect(verified.stderr).toContain('error: NOT_FOUND\n  the repository "gone" cannot be verified: ')
  expect(verified.stderr).toContain('ok: backup ')
  expect(verified.stdout).toBe('1 backup whole in structure, 1 error\n')
  expect(verified.code).toBe(1)
  expect((await other.run(['verify', '--json'])).lines).toContainEqual({
    type: 'finding',
    repository: 'gone',
    finding: expect.objectContaining({ severity: 'error', code: 'NOT_FOUND' }),
  })
})

test('where no repository can be reached, list and verify fail with what is wrong', async () => {
  await using other = await commandLineOf(
    sampleConfiguration.replace('./backups }', './unmounted, uploader: { settings: { createDirectory: false } } }'),
  )
  expect(await other.run(['list'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^failed: NOT_FOUND\n {2}list of /),
  })
  expect(await other.run(['verify'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('unmounted') })
})

test('verify of nothing at all is a failure', async () => {
  expect(await here.run(['verify'])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('there is no backup to verify') })
  expect(await here.run(['verify', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('backup-planet run shop') })
})

test.skipIf(process.platform === 'win32')('check tells what the run would need on this machine', async () => {
  await writeFile(join(here.directory, 'staging'), 'not a folder')
  const { code, stdout } = await here.run(['check'])
  expect(stdout).toContain('cannot be written (ENOTDIR)')
  expect(code).toBe(1)
})

test('check looks at the server even when the repository cannot be reached', async () => {
  const unreachable: RepositoryPlugin = {
    contract: 'repository-plugin/1',
    kind: 'archive',
    exampleSettings: '',
    create: () => ({
      ...createMemoryRepository(),
      destination: 'memory:',
      // biome-ignore lint/correctness/useYield: it fails before it could
      async *list() {
        throw new BackupError('nobody answers', { code: 'UNREACHABLE', hint: 'Plug it in.' })
      },
    }),
  }
  here.server.problems = [{ severity: 'warning', code: 'APPLICATION', message: 'binlog is off', hint: 'Set log_bin.' }]
  const { code, lines } = await here.run(['check', '--json'], { plugins: [samplePlugin(here.server), unreachable] })
  expect(lines[0]?.problems).toEqual([
    { severity: 'error', code: 'UNREACHABLE', message: 'the repository memory: cannot be listed: nobody answers', hint: 'Plug it in.' },
    here.server.problems[0],
  ])
  expect(code).toBe(1)
})
