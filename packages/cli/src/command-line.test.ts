import { chmod, mkdir, open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'

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
    [['restore', 'shop', '--to', 'source'], 'there is no backup of job shop\n  hint: Make one first: backup-planet run shop'],
    [['restore', 'shop', '--to', 'source', '--rename', 'x'], '--rename "x" is not OLD=NEW'],
    [['restore', 'shop', '--to', 'source', '--at', 'noon', '--backup', 'x'], 'exclude each other'],
    [['completion', 'tcsh'], "command-argument value 'tcsh' is invalid"],
    [['--no-config', '--config', '/nowhere/x.yaml', 'list'], 'there is no configuration file /nowhere/x.yaml'],
  ])('%j', async (argv, message) => {
    const { code, stdout, stderr } = await here.run(argv)
    expect(stderr).toContain(message)
    expect(stdout).toBe('')
    expect(code).toBe(2)
    expect(await readdir(here.directory)).toEqual(['backup-planet.yaml'])
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
      /6:|backup-planet\.yaml:5:12: jobs\.shop\.agent: there is no agent plugin for "exchange" installed\n.*npm install .*@backup-planet\/agent-exchange/,
    )
    expect(code).toBe(2)
  })
})

test('help shows an example for every command, and names no command that is not there', async () => {
  const { code, stdout } = await here.run(['--help'])
  expect(code).toBe(0)
  const names = [...stdout.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map(([, name]) => name)
  expect(names).toEqual(['init', 'discover', 'check', 'run', 'list', 'restore', 'files', 'verify', 'completion', 'version', 'help'])
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
    expect(stdout).toMatch(new RegExp(`^JOB +ID +TIME +KIND +STATUS +ITEMS +SIZE +AGE\nshop +${id} +\\S+Z +full +complete +2 +16 B +1h\n$`))
    expect(code).toBe(0)
    expect((await here.run(['list', 'shop', '--json'])).lines).toMatchObject([
      { type: 'backup', repository: 'local', backup: { id } },
      { type: 'result', backups: 1 },
    ])
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

  test('nothing is replaced without --overwrite, not even with --yes', async () => {
    here.server.databases.set('notes', 'newer')
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--yes'])
    expect(stdout).toBe('nothing was restored: the plan has errors\n')
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
})

test('a failed run is told, and nothing is listed', async () => {
  here.server.fault = 'unreachable'
  const { code, stderr, lines } = await here.run(['run', 'shop', '--json'])
  expect(stderr).toContain('failed: UNREACHABLE\n  nobody answers at sample\n  hint: ')
  expect(lines.at(-1)).toEqual({ type: 'failure', code: 'UNREACHABLE', message: 'nobody answers at sample', hint: expect.any(String) })
  expect(code).toBe(1)
  expect(await here.run(['list'])).toMatchObject({ code: 0, stdout: 'no backups yet\n' })
})

test('an aborted run ends with 130, and nothing is listed', async () => {
  const controller = new AbortController()
  here.server.fault = 'hangs'
  here.server.onHang = () => controller.abort()
  const { code, lines } = await here.run(['run', 'shop', '--json'], { signal: controller.signal })
  expect(code).toBe(130)
  expect(lines.at(-1)).toMatchObject({ type: 'failure', code: 'ABORTED' })
  expect(await here.run(['list'])).toMatchObject({ stdout: 'no backups yet\n' })
  expect(await here.run(['list'], { signal: AbortSignal.abort() })).toMatchObject({ code: 130, stdout: '' })
})

test.skipIf(process.platform === 'win32')(
  'a configuration whose plain secrets others can read is warned of, and refused by run',
  async () => {
    await using other = await commandLineOf(sampleConfiguration.replace('"${env:SAMPLE_PASSWORD}"', 'hunter22'))
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

describe('no secret is in any output', () => {
  const argvs = [
    ['discover', 'shop'],
    ['check'],
    ['run', 'shop'],
    ['run', 'shop', '--plan'],
    ['run', 'shop', '--json'],
    ['check', '--json'],
  ]

  test.each(argvs)('of %s %s %s', async (...argv) => {
    here.server.fault = 'leaks-password'
    for (const debug of ['0', '1']) {
      const { code, stdout, stderr } = await here.run(argv, {
        environment: { SAMPLE_PASSWORD: samplePassword, BACKUP_PLANET_DEBUG: debug, XDG_STATE_HOME: here.directory },
      })
      expect(code).toBe(1)
      expect(stderr).toContain('login of root:*** refused')
      expect(stdout + stderr).not.toContain('battery')
    }
  })

  test('whatever the secret is and wherever the server puts it', async () => {
    const password = fc
      .string({ minLength: 3, maxLength: 30, unit: 'grapheme-ascii' })
      .filter((text) => text.trim().length > 3 && !/[\s*\w]/.test(text.slice(0, 3)))
    await fc.assert(
      fc.asyncProperty(password, async (secret) => {
        here.server.fault = 'leaks-password'
        const { stdout, stderr } = await here.run(['run', 'shop', '--json'], {
          environment: { SAMPLE_PASSWORD: secret, XDG_STATE_HOME: here.directory },
        })
        expect(stdout).not.toContain(JSON.stringify(secret).slice(1, -1))
        expect(stderr).not.toContain(secret)
      }),
      { numRuns: 25 },
    )
  })
})

describe('init', () => {
  test('writes a configuration that works as it is, only for its owner', async () => {
    const file = join(here.directory, 'new', 'backup-planet.yaml')
    const { code, stdout } = await here.run(['--no-config', '--config', file, 'init', '--agent', 'sample', '--job', 'shop'])
    expect(code).toBe(0)
    expect(stdout).toContain('Keep a copy of the passphrase somewhere else')
    for (const name of ['backup-planet.yaml', 'backup-planet-passphrase']) {
      expect((await stat(join(here.directory, 'new', name))).mode & 0o777).toBe(process.platform === 'win32' ? 0o666 : 0o600)
    }
    expect(await readFile(file, 'utf8')).not.toContain(
      (await readFile(join(here.directory, 'new', 'backup-planet-passphrase'), 'utf8')).trim(),
    )
    const config = ['--no-config', '--config', file]
    expect(await here.run([...config, 'check'])).toMatchObject({ code: 0, stderr: '' })
    expect(await here.run([...config, 'run', 'shop'])).toMatchObject({ code: 0 })
    expect(await here.run([...config, 'verify', '--read-data'])).toMatchObject({ code: 0 })
  })

  test('never replaces anything', async () => {
    const before = await readFile(here.file, 'utf8')
    expect(await here.run(['init', '--agent', 'sample'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('failed: ALREADY_EXISTS'),
    })
    expect(await readFile(here.file, 'utf8')).toBe(before)
    expect(await readdir(here.directory)).toEqual(['backup-planet.yaml'])
  })

  test('does not put the passphrase beside the backups', async () => {
    const folder = join(here.directory, 'all')
    await mkdir(folder)
    const argv = ['--no-config', '--config', join(folder, 'x.yaml'), 'init', '--agent', 'sample', '--repository', folder]
    expect(await here.run(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('would lie inside the repository') })
    expect(await readdir(folder)).toEqual([])
    expect(await here.run([...argv, '--no-encryption'])).toMatchObject({ code: 0 })
    expect(await readdir(folder)).toEqual(['x.yaml'])
  })
})

test.each(['bash', 'zsh', 'fish'])('completion for %s knows every command', async (shell) => {
  const { code, stdout } = await here.run(['completion', shell])
  expect(code).toBe(0)
  for (const word of ['restore', 'verify', 'read-data', 'config']) expect(stdout).toContain(word)
})

function idIn(lines: readonly Record<string, unknown>[]): string {
  return (lines.find(({ type }) => type === 'result') as { backup: { id: string } }).backup.id
}

async function damage(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true })
  const archive = names.find((name) => /orders.*\.tar\.zst/.test(name))
  await using file = await open(join(folder, archive ?? ''), 'r+')
  const { size } = await file.stat()
  await file.write(Buffer.from([0xff, 0x00, 0xff]), 0, 3, Math.floor(size / 2))
}
