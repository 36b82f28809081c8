import { chmod, readdir } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'

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
    [['report'], '--html names no file\n  hint: Write it like --html report.html.'],
    [['report', 'shp', '--html', 'x.html'], 'there is no job "shp"'],
    [['report', '--html', 'x.html', '--public-key', '/nowhere/key'], '--public-key /nowhere/key cannot be read (ENOENT)'],
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
    'follow',
    'daemon',
    'status',
    'list',
    'windows',
    'restore',
    'files',
    'verify',
    'drill',
    'evidence',
    'copy',
    'prune',
    'stats',
    'report',
    'key',
    'unlock',
    'rebuild-index',
    'notify',
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

test.skipIf(process.platform === 'win32')('a configuration that others can change is warned of', async () => {
  await chmod(here.file, 0o620)
  expect((await here.run(['list'])).stderr).toBe(
    `warning: others can change ${here.file}, and with it which programs backup-planet loads; run: chmod go-w ${here.file}\n`,
  )
})
