import { chmod, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, directoryUploaderPlugin, type RepositoryPlugin, type UploaderPlugin, uploaderLayer } from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'
import { samplePlugin } from './__fixtures__/sample-agent.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

describe('what cannot be followed ends with 2, a code, a message and a hint, before anything is done', () => {
  test.each([
    [[], 'Usage: backup-planet'],
    [['rn', 'shop'], "failed: INVALID_INPUT\n  unknown command 'rn'\n  hint: Did you mean run?"],
    [['run'], "missing required argument 'job'"],
    [['run', 'shop', '--knd', 'full'], "unknown option '--knd'\n  hint: Did you mean --kind?"],
    [['run', 'shp'], 'there is no job "shp"'],
    [['run', 'shop', '--kind', 'ful'], '"ful" is no kind of backup\n  hint: Did you mean --kind full?'],
    [['run', 'shop', '--kind', 'log'], 'the agent for sample cannot make log backups\n  hint: Use --kind full.'],
    [['restore', 'shop'], "required option '--to <target>' not specified"],
    [['restore', 'shop', '--to', 'scrtch'], 'there is no target "scrtch"'],
    [['restore', 'shop', '--to', 'soruce'], 'Did you mean "source"?'],
    [['restore', 'shop', '--to', 'nowhere'], 'The targets there are: scratch. "source" is the server of the job itself.'],
    [['restore', 'shop', '--to', 'source', '--rename', 'x'], '--rename "x" is not OLD=NEW'],
    [['restore', 'shop', '--to', 'source', '--at', 'noon', '--backup', 'x'], 'exclude each other'],
    [['restore', 'shop', '--to', 'source', '--table', 'orders'], '--table "orders" names no database'],
    [['restore', 'shop', '--to', 'source', '--option', 'threads'], '--option "threads" is not NAME=VALUE'],
    [['verify', '--backup', 'x'], '--backup needs the job'],
    [['copy', '--to', 'local'], 'every job keeps its backups in "local" already'],
    [['copy', '--backup', 'x', '--to', 'local'], '--backup needs the job'],
    [['copy', 'shop', '--to', 'locl'], 'there is no repository "locl"'],
    [['verify', '--subset', '1/7'], 'Add --read-data.'],
    [['verify', '--read-data', '--subset', '8/7'], '--subset "8/7" is no part of the data'],
    [['verify', '--read-data', '--subset', '0/7'], 'Write it like 1/7'],
    [['key'], 'Usage: backup-planet key'],
    [['key', 'lst'], "unknown command 'lst'\n  hint: Did you mean list?"],
    [['prune', 'shop', '--repository', 'local'], 'a job and --repository exclude each other'],
    [['prune', '--repository', 'locl'], 'there is no repository "locl"'],
    [['--no-config', '--config', '/nowhere/x.yaml', 'init', '--agent', 'sample', '--no-encryption'], 'always encrypted'],
    [['completion', 'tcsh'], "command-argument value 'tcsh' is invalid"],
    [['--no-config', '--config', '/nowhere/x.yaml', 'list'], 'there is no configuration file /nowhere/x.yaml'],
  ])('%j', async (argv, message) => {
    const { code, stdout, stderr } = await here.run(argv)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
    expect(await readdir(here.directory)).toEqual(['backup-planet.yaml'])
  })

  test('a job without backups is no mistake in the command: 1, and what to do', async () => {
    const { code, stderr } = await here.run(['restore', 'shop', '--to', 'source'])
    expect(stderr).toContain('failed: NOT_FOUND\n  there is no backup of job shop\n  hint: Make one first with "backup-planet run shop"')
    expect(code).toBe(1)
  })

  test('settings that the agent refuses are told with their line', async () => {
    await using other = await commandLineOf(sampleConfiguration.replace('host: sample,', 'hots: sample,'))
    const { code, stderr } = await other.run(['run', 'shop'])
    expect(stderr).toContain(
      'failed: INVALID_SETTINGS\n  backup-planet.yaml:7:15: jobs.shop.settings: invalid settings: unknown key "hots" in settings, did you mean "host"?\n  hint: ',
    )
    expect(code).toBe(2)
  })

  test('a plugin that is not installed', async () => {
    await using other = await commandLineOf(sampleConfiguration.replaceAll('agent: sample', 'agent: exchange'))
    const { code, stderr } = await other.run(['check', '--json'])
    expect(stderr).toMatch(
      /backup-planet\.yaml:5:12: jobs\.shop\.agent: there is no agent plugin for "exchange" installed\n.*called backup-planet-agent-exchange;/,
    )
    expect(code).toBe(2)
  })
})

test('help shows an example for every command, and names no command that is not there', async () => {
  const { code, stdout } = await here.run(['--help'])
  expect(code).toBe(0)
  const names = [...stdout.matchAll(/^ {2}([a-z]+(?:-[a-z]+)*)(?: |$)/gm)].map(([, name]) => name)
  expect(names).toEqual([
    'init',
    'discover',
    'check',
    'run',
    'list',
    'restore',
    'files',
    'verify',
    'copy',
    'prune',
    'stats',
    'key',
    'unlock',
    'rebuild-index',
    'completion',
    'version',
    'help',
  ])
  for (const name of names.slice(0, -1)) {
    const help = await here.run([`${name}`, '--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toContain('Examples:\n  $ backup-planet ')
    expect(help.stdout).toContain('--json')
  }
})

test('the version', async () => {
  const { lines } = await here.run(['version', '--json'])
  expect(lines).toEqual([
    { type: 'result', command: 'version', version: expect.stringMatching(/^\d+\.\d+\.\d+/), node: process.versions.node },
  ])
  expect((await here.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

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

test('what could not be sent is never sent to the repository that a job of the same name has in another configuration', async () => {
  const withoutStaging = sampleConfiguration.replace(/staging: .*\n/, '')
  await writeFile(here.file, withoutStaging, { mode: 0o600 })
  const other = join(here.directory, 'other.yaml')
  await writeFile(other, withoutStaging.replace('./backups', './elsewhere'), { mode: 0o600 })
  const full: UploaderPlugin = {
    ...directoryUploaderPlugin,
    create(destination, settings) {
      const uploader = directoryUploaderPlugin.create(destination, settings)
      return uploaderLayer(uploader, {
        upload(key, content, options) {
          if (!key.endsWith('/manifest.json')) return uploader.upload(key, content, options)
          return Promise.reject(new BackupError('the disk is full', { code: 'OUT_OF_SPACE', hint: 'Free space.' }))
        },
      })
    },
  }
  expect(await here.run(['run', 'shop'], { plugins: [samplePlugin(here.server), full] })).toMatchObject({ code: 1 })
  const second = await here.run(['--no-config', '--config', other, 'run', 'shop'])
  expect(second).toMatchObject({ code: 0, stderr: expect.not.stringContaining('sending first') })
  expect((await here.run(['run', 'shop'])).stderr).toContain('sending first: run ')
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

test('restore and files say when the newest backup is not the one they take, because its record is damaged', async () => {
  await here.run(['run', 'shop'])
  const { lines } = await here.run(['run', 'shop', '--json'])
  const { id } = (lines.at(-1) as { backup: { id: string } }).backup
  const folders = await readdir(join(here.directory, 'backups', 'shop'))
  const folder = folders.find((name) => name.endsWith(id)) ?? ''
  await writeFile(join(here.directory, 'backups', 'shop', folder, 'manifest.json'), '{}')
  const plan = await here.run(['restore', 'shop', '--to', 'scratch', '--plan'])
  expect(plan.stderr).toMatch(/^warning: CORRUPTED\n {2}this backup is left out: .*\n {2}hint: /)
  const files = await here.run(['files', 'shop', '--to', join(here.directory, 'files'), '--json'])
  expect(files.lines[0]).toMatchObject({ type: 'problem', problem: { code: 'CORRUPTED' } })
  expect(files.code).toBe(0)
  for (const argv of [
    ['restore', 'shop', '--to', 'scratch', '--backup', id],
    ['verify', 'shop', '--backup', id],
  ]) {
    const named = await here.run(argv)
    expect(named.stderr).toContain(`failed: CORRUPTED\n  backup "${id}" of job shop cannot be read: `)
    expect(named.code).toBe(1)
  }
})

test('a plan says that this host cannot read the backup, and nobody is asked to agree to it', async () => {
  await using other = await commandLineOf(
    sampleConfiguration.replace('./backups }', `./backups, encryption: { passphrase: "\${env:PASSPHRASE}", workFactor: 10 } }`),
  )
  const environment = { SAMPLE_PASSWORD: samplePassword, XDG_STATE_HOME: other.directory, PASSPHRASE: 'the right one' }
  await other.run(['run', 'shop'], { environment })
  const wrong = { environment: { ...environment, PASSPHRASE: 'another one' } }
  const plan = await other.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--plan'], wrong)
  expect(plan.stdout).toMatch(
    /\nerror: WRONG_CREDENTIALS\n.*does not open shop.*\n {2}hint: .*\nthis would restore nothing: the plan has 1 error\n$/,
  )
  expect(plan.code).toBe(1)
  const restore = await other.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--json'], wrong)
  expect(restore.lines).toMatchObject([{ type: 'result', report: null, plan: { problems: [{ code: 'WRONG_CREDENTIALS' }] } }])
  expect(restore.code).toBe(1)
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
  expect(list.stdout).toMatch(/\nshop .* complete /)
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

test('a second run of a job beside the first is refused, and the first is not disturbed', async () => {
  const controller = new AbortController()
  const hanging = Promise.withResolvers<void>()
  here.server.fault = 'hangs'
  here.server.onHang = hanging.resolve
  const first = here.run(['run', 'shop'], { signal: controller.signal })
  await hanging.promise
  delete here.server.fault
  expect(await here.run(['run', 'shop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('failed: CONFLICT') })
  controller.abort()
  expect(await first).toMatchObject({ code: 130 })
  expect(await here.run(['run', 'shop'])).toMatchObject({ code: 0 })
})

describe('with a backup', () => {
  let id: string
  beforeEach(async () => {
    const { lines, code, stderr } = await here.run(['run', 'shop', '--json'])
    expect(stderr).toContain('complete: full backup')
    expect(code).toBe(0)
    id = idIn(lines)
    expect(lines.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['started', 'item', 'bytes', 'stored', 'confirmed', 'finished', 'result']),
    )
    expect(here.server.confirmed).toBe(1)
  })

  test('list shows it', async () => {
    const { stdout, code } = await here.run(['list'], { now: () => Date.now() + 3_600_000 })
    expect(stdout).toMatch(
      new RegExp(
        `^JOB +ID +TIME +KIND +STATUS +ITEMS +SIZE +STORED +AGE\nshop +${id} +\\S+Z +full +complete +2 +16 B +\\d\\S* K?i?B +1h\n$`,
      ),
    )
    expect(code).toBe(0)
    expect((await here.run(['list', 'shop', '--json'])).lines).toMatchObject([
      { type: 'backup', repository: 'local', backup: { id } },
      { type: 'result', backups: 1 },
    ])
  })

  test('a record that cannot be read is told, and the others are listed', async () => {
    const records = (await readdir(join(here.directory, 'backups'), { recursive: true })).filter((name) => name.endsWith('manifest.json'))
    expect(records).toHaveLength(1)
    await here.run(['run', 'shop'])
    await writeFile(join(here.directory, 'backups', records[0] ?? ''), '{ "format": ')
    const { code, stdout, stderr } = await here.run(['list'])
    expect(stdout).toMatch(/^JOB.*\nshop .*\n$/)
    expect(stdout).not.toContain(id)
    expect(stderr).toMatch(/: CORRUPTED\n {2}.*\n {2}hint: /)
    expect(code).toBe(3)
  })

  test('verify reads it, and finds damage', async () => {
    expect(await here.run(['verify', '--read-data'])).toMatchObject({ code: 0, stdout: '1 backup read and whole, 0 errors\n' })
    await damage(join(here.directory, 'backups'))
    const damaged = await here.run(['verify', 'shop', '--read-data'])
    expect(damaged.stderr).toContain('error: CORRUPTED')
    expect(damaged.code).toBe(1)
  })

  test('restore --plan says what would be done and what stands against it', async () => {
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--plan'])
    expect(stdout).toContain(`from the full backup ${id}`)
    expect(stdout).toContain('error: ALREADY_EXISTS\n  orders, notes is there\n  hint: Pass --overwrite')
    expect(stdout).toMatch(/\n--rename OLD=NEW restores beside what is there; --overwrite replaces it\n$/)
    expect(code).toBe(1)
    expect(await here.run(['restore', 'shop', '--to', 'source', '--item', 'notes', '--rename', 'notes=old', '--plan'])).toMatchObject({
      code: 0,
    })
  })

  test('a restore that replaces nothing needs no agreement', async () => {
    const { code, stdout } = await here.run([
      'restore',
      'shop',
      '--to',
      'source',
      '--item',
      'notes',
      '--rename',
      'notes=old',
      '--backup',
      id,
    ])
    expect(stdout).toContain('restored: notes as old, 1 of 1 check passed')
    expect(code).toBe(0)
    expect(Object.fromEntries(here.server.databases)).toEqual({ orders: 'ten orders', notes: 'a note', old: 'a note' })
  })

  test('choices of the agent reach its plan', async () => {
    const argv = ['restore', 'shop', '--to', 'source', '--overwrite', '--plan', '--json', '--table', 'orders.b', '--table', 'orders.d.e']
    const { lines } = await here.run([...argv, '--option', 'threads=8', '--option', 'users=none', '--option', 'map={"a":[1]}'])
    expect(lines.at(-1)).toMatchObject({
      plan: { request: { options: { tables: ['orders.b', 'orders.d.e'], threads: 8, users: 'none', map: { a: [1] } } } },
    })
  })

  test('who asks for tables gets nothing of other databases, and is told the nearest one', async () => {
    const argv = ['restore', 'shop', '--to', 'source', '--overwrite', '--plan', '--json', '--table']
    const itemsOf = async (...more: string[]) => {
      const { lines } = await here.run([...argv, ...more])
      const plan = lines.at(-1)?.plan as { readonly items: readonly { readonly item: string }[] } | undefined
      return plan?.items.map(({ item }) => item)
    }
    expect(await itemsOf('notes.a')).toEqual(['notes'])
    expect(await itemsOf('*.a')).toEqual(['orders', 'notes'])
    expect(await itemsOf('notes.a', '--item', 'orders')).toEqual(['orders'])
    const { code, stderr } = await here.run([...argv, 'note.a'])
    expect(stderr).toContain('Did you mean "notes"?')
    expect(code).toBe(1)
  })

  test('nothing is replaced without --overwrite, not even with --yes', async () => {
    here.server.databases.set('notes', 'newer')
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--yes'])
    expect(stdout).toBe(
      'nothing was restored: the plan has errors\n--rename OLD=NEW restores beside what is there; --overwrite replaces it\n',
    )
    expect(code).toBe(1)
    expect(here.server.databases.get('notes')).toBe('newer')
  })

  test('replacing has to be agreed to: by typing the name, or by --yes where nobody can be asked', async () => {
    here.server.databases.set('notes', 'newer')
    const argv = ['restore', 'shop', '--to', 'scratch', '--overwrite']
    expect(await here.run(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes to agree') })
    expect(await here.run(argv, { answer: 'yes' })).toMatchObject({ code: 2, stderr: expect.stringContaining('the name was not typed') })
    expect(here.server.databases.get('notes')).toBe('newer')
    expect(await here.run(argv, { answer: 'scratch' })).toMatchObject({ code: 0 })
    expect(here.server.databases.get('notes')).toBe('a note')
    here.server.databases.set('notes', 'newer')
    expect(await here.run([...argv, '--yes'])).toMatchObject({ code: 0 })
    expect(here.server.databases.get('notes')).toBe('a note')
  })

  test('a restore whose checks differ has failed', async () => {
    here.server.fault = 'wrong-checks'
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--overwrite', '--yes'])
    expect(stdout).toContain('differs: length, expected 10, found 0')
    expect(stdout).toMatch(/\nrestored 0 of 2 items of \S+ on sample\nNOT restored: orders, notes\n$/)
    expect(code).toBe(1)
  })

  test('files are unpacked into a folder for each item', async () => {
    const to = join(here.directory, 'files')
    const { code, stdout } = await here.run(['files', 'shop', '--to', to, '--item', 'orders'])
    expect(stdout).toBe(`files of backup ${id} are in ${to}\n`)
    expect(code).toBe(0)
    expect(await readFile(join(to, 'orders', 'text.txt'), 'utf8')).toBe('ten orders')
  })
})

test('a run with one failed item is partial, and only the others can be restored', async () => {
  here.server.fault = 'one-item-fails'
  const { code, stdout, stderr } = await here.run(['run', 'shop'])
  expect(stderr).toContain('"orders" is marked as crashed\n  hint: Repair orders.')
  expect(stdout).toContain('partial: full backup')
  expect(code).toBe(3)
  expect(here.server.confirmed).toBe(0)
  expect((await here.run(['list'])).stdout).toContain('partial  1 of 2')

  delete here.server.fault
  await here.run(['run', 'shop'])
  const plan = await here.run(['run', 'shop', '--plan'])
  expect(plan.stdout).toContain('why full: it follows complete\n')
})

test('a restore of which some items fail ends with 3, and names them at the very end', async () => {
  await here.run(['run', 'shop'])
  here.server.fault = 'one-restore-fails'
  const { code, stdout, lines } = await here.run(['restore', 'shop', '--to', 'scratch', '--rename', 'orders=old', '--overwrite', '--yes'])
  expect(stdout).toMatch(
    /^restored: notes, 1 of 1 check passed\nfailed: APPLICATION \(orders as old\)\n.*\n {2}hint: .*\nrestored 1 of 2 items of \S+ on scratch\nNOT restored: orders as old\n$/,
  )
  expect(code).toBe(3)
  expect(lines).toEqual([])
})

test('what failed when it was backed up is named at the end of a restore of everything, and ends it with 3', async () => {
  here.server.fault = 'one-item-fails'
  await here.run(['run', 'shop'])
  delete here.server.fault
  const argv = ['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes']
  const all = await here.run(argv)
  expect(all.stdout).toMatch(/restored 1 of 2 items of .*\nNOT restored, because they are not whole in this backup: orders\n$/)
  expect(all.code).toBe(3)
  expect(await here.run([...argv, '--item', 'notes'])).toMatchObject({ code: 0 })
  const files = await here.run(['files', 'shop', '--to', join(here.directory, 'files')])
  expect(files).toMatchObject({ code: 3, stdout: expect.stringContaining('failed when they were backed up: orders\n') })
})

test('the same problem is told once, whether the plan, the run or the report found it', async () => {
  await here.run(['run', 'shop'])
  here.server.restoreProblems = [
    { severity: 'warning', code: 'CONFLICT', message: 'account root exists on the target', hint: 'Nothing to do.' },
  ]
  const { code, stdout, stderr } = await here.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes'])
  expect(`${stdout}${stderr}`.match(/account root exists/g)).toHaveLength(1)
  expect(code).toBe(0)
})

test('a run says how much it captured, how much of that it stored, and the ratio', async () => {
  await using other = await commandLineOf(sampleConfiguration, { orders: 'x'.repeat(1024 ** 2) })
  const { stdout, lines } = await other.run(['run', 'shop'])
  expect(stdout).toMatch(/, 1 item, 1\.0 MiB captured, \S+ (KiB|B) stored \(\d+\.\d : 1\), in \S+, in file:/)
  expect(lines).toEqual([])
  expect((await here.run(['run', 'shop'])).stdout).toMatch(/, 16 B captured, \S+ \S+ stored, in \S+, in file:/)
})

test('a failed run is told, and nothing is listed', async () => {
  here.server.fault = 'unreachable'
  const { code, stderr, lines } = await here.run(['run', 'shop', '--json'])
  expect(stderr).toContain('failed: UNREACHABLE\n  nobody answers at sample\n  hint: ')
  expect(lines.at(-1)).toEqual({ type: 'failure', code: 'UNREACHABLE', message: 'nobody answers at sample', hint: expect.any(String) })
  expect(code).toBe(1)
  expect(await here.run(['list'])).toMatchObject({ code: 0, stdout: 'no backups yet\n' })
})

test.each(['hangs', 'breaks-when-aborted'] as const)(
  'an aborted run ends with 130 when the server %s, and nothing is listed',
  async (fault) => {
    const controller = new AbortController()
    here.server.fault = fault
    here.server.onHang = () => controller.abort()
    const { code, lines } = await here.run(['run', 'shop', '--json'], { signal: controller.signal })
    expect(code).toBe(130)
    expect(lines.at(-1)).toMatchObject({ type: 'failure', code: 'ABORTED' })
    expect(await here.run(['list'])).toMatchObject({ stdout: 'no backups yet\n' })
  },
)

test('whatever breaks because of the abort is told as an abort', async () => {
  const controller = new AbortController()
  here.server.fault = 'breaks-when-aborted'
  here.server.onHang = () => controller.abort()
  const { code, stderr } = await here.run(['discover', 'shop'], { signal: controller.signal })
  expect(stderr).toContain('failed: ABORTED')
  expect(code).toBe(130)
})

test('what is aborted before it begins does nothing', async () => {
  const signal = AbortSignal.abort()
  expect(await here.run(['list'], { signal })).toMatchObject({ code: 130, stdout: '' })
})

test.skipIf(process.platform === 'win32')(
  'a configuration whose plain secrets others can read is warned of, and refused by run',
  async () => {
    await using other = await commandLineOf(sampleConfiguration.replace(/"[^"]+SAMPLE_PASSWORD[^"]+"/, 'hunter22'))
    await chmod(other.file, 0o644)
    const warned = await other.run(['discover', 'shop'])
    expect(warned).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`warning: others can read ${other.file}, which holds jobs.shop.settings.password`),
    })
    expect(await other.run(['run', 'shop'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`hint: Run "chmod 600 ${other.file}"`),
    })
    expect(await other.run(['check', 'shop'])).toMatchObject({ code: 1 })
    expect(other.server.confirmed).toBe(0)
  },
)

function idIn(lines: readonly Record<string, unknown>[]): string {
  return (lines.find(({ type }) => type === 'result') as { backup: { id: string } }).backup.id
}

test.skipIf(process.platform === 'win32')('a configuration that others can change is warned of', async () => {
  await chmod(here.file, 0o620)
  expect((await here.run(['list'])).stderr).toBe(
    `warning: others can change ${here.file}, and with it which programs backup-planet loads; run: chmod go-w ${here.file}\n`,
  )
})

async function damage(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true })
  const archive = names.find((name) => /orders.*\.tar\.zst/.test(name))
  await using file = await open(join(folder, archive ?? ''), 'r+')
  const { size } = await file.stat()
  await file.write(Buffer.from([0xff, 0x00, 0xff]), 0, 3, Math.floor(size / 2))
}
