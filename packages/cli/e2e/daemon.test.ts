import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ChildCommand, command, startCommand } from './child-command.ts'

const plugin = join(import.meta.dirname, '..', 'src', '__fixtures__', 'hanging-plugin.ts')
let directory: string
const started: ChildCommand[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-daemon-'))
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.signal('SIGKILL')
    await child.ended
  }
  await rm(directory, { recursive: true, force: true })
})

async function configure(schedule: string, { name = 'backup-planet', grace = '20s' } = {}): Promise<string> {
  const file = join(directory, `${name}.yaml`)
  const configuration = `repositories: { local: { kind: archive, destination: ./backups } }
jobs: { shop: { agent: sample, plugin: ${JSON.stringify(plugin)}, repository: local, schedule: ${schedule} } }
staging: { directory: ./staging-${name} }
daemon: { grace: ${grace} }
`
  await writeFile(file, configuration, { mode: 0o600 })
  return file
}

function daemon(file: string, environment: Readonly<Record<string, string>> = {}): ChildCommand {
  const child = startCommand(['--config', file, 'daemon', '--json'], environment, directory)
  started.push(child)
  return child
}

interface Line extends Readonly<Record<string, unknown>> {
  readonly type: string
}

function linesOf(stdout: string): Line[] {
  return stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Line)
}

interface RunLine {
  readonly type: string
  readonly outcome: string
  readonly run: { readonly slot: string; readonly slots: number }
}

const runsIn = (stdout: string) => linesOf(stdout).filter(({ type }) => type === 'run-ended') as unknown as RunLine[]

async function listed(file: string): Promise<number> {
  return (await command(['--config', file, 'list'], {}, directory)).stdout.split('\n').filter((line) => line.startsWith('shop')).length
}

describe('the daemon', () => {
  test('killed in the middle of a run: the next one makes what was begun, and one watches at a time', async () => {
    const file = await configure('{ full: "*/2 * * * * *" }')
    const killed = daemon(file, { SAMPLE_HANGS: '1' })
    await killed.said('capture hangs')
    killed.signal('SIGKILL')
    const { stdout } = await killed.ended
    const begun = linesOf(stdout).find(({ type }) => type === 'run-started') as unknown as RunLine
    expect(runsIn(stdout)).toEqual([])
    expect(await listed(file)).toBe(0)

    const next = daemon(file)
    await next.said('"outcome":"done"')
    const refused = await command(['--config', file, 'daemon'], {}, directory)
    expect(refused.stderr).toContain('a daemon watches this configuration already')
    expect(refused.code).toBe(1)
    next.signal('SIGTERM')
    const ended = await next.ended
    expect(ended.code).toBe(0)
    const [run] = runsIn(ended.stdout)
    expect(Date.parse(run?.run.slot ?? '')).toBeGreaterThanOrEqual(Date.parse(begun.run.slot))
    expect(run?.run.slots).toBeGreaterThanOrEqual(2)
    expect(await listed(file)).toBe(runsIn(ended.stdout).length)
  })

  test('SIGTERM in the middle of a run: it goes on within the grace, and the exit code is 0', async () => {
    const file = await configure('{ full: "* * * * * *" }')
    const child = daemon(file, { SAMPLE_SLOW: '1' })
    await child.said('"type":"run-started"')
    child.signal('SIGTERM')
    const { code, stdout } = await child.ended
    expect(code).toBe(0)
    expect(runsIn(stdout)).toMatchObject([{ outcome: 'done' }])
    expect(await listed(file)).toBe(1)
  })

  test('SIGTERM in the middle of a run that takes longer: it is aborted cleanly, and made again by the next daemon', async () => {
    const file = await configure('{ full: "* * * * * *" }', { grace: '1s' })
    const child = daemon(file, { SAMPLE_HANGS: '1' })
    await child.said('capture hangs')
    child.signal('SIGTERM')
    const { code, stdout } = await child.ended
    expect(code).toBe(0)
    expect(runsIn(stdout)).toMatchObject([{ outcome: 'aborted' }])
    expect(await listed(file)).toBe(0)
    const state = await readFile(join(directory, 'staging-backup-planet', 'schedule.json'), 'utf8')
    expect(JSON.parse(state)).toMatchObject({ jobs: { shop: { tasks: { full: { attempts: { interruptions: 1 } } } } } })
  })

  test.each([
    ['one machine', ['here', 'here']],
    ['two machines, which cannot ask each other whether a process lives', ['one.example.org', 'two.example.org']],
  ])('two on one repository, each with a state of its own, on %s: one makes each backup', async (_, hosts) => {
    const schedule = '{ full: "*/3 * * * * *" }'
    const files = [await configure(schedule, { name: 'one' }), await configure(schedule, { name: 'two' })]
    const namedHost = pathToFileURL(join(import.meta.dirname, 'named-host.ts')).href
    const children = files.map((file, at) => daemon(file, { NODE_OPTIONS: `--import=${namedHost}`, SAMPLE_HOST: hosts[at] ?? '' }))
    await Promise.all(children.map((child) => child.said('"type":"daemon-started"')))
    await expect.poll(() => listed(files[0] ?? ''), { timeout: 60_000, interval: 500 }).toBeGreaterThanOrEqual(3)
    for (const child of children) child.signal('SIGTERM')
    const ended = await Promise.all(children.map((child) => child.ended))
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    const slots = ended.flatMap(({ stdout }) => runsIn(stdout).map(({ outcome, run }) => [run.slot, outcome] as const))
    expect(slots.filter(([, outcome]) => outcome !== 'done')).toEqual([])
    expect(new Set(slots.map(([slot]) => slot)).size).toBe(slots.length)
    expect(await listed(files[0] ?? '')).toBe(slots.length)
    // Each has asked for the lease of the job: the other was told by name who has it, or that it was made.
    const others = ended.flatMap(({ stdout }) => linesOf(stdout).filter(({ type }) => /^run-(deferred|fulfilled-elsewhere)$/.test(type)))
    expect(others.length).toBeGreaterThan(0)
    expect(await leasesIn(join(directory, 'backups'))).toEqual([])
  })

  test.skipIf(process.platform === 'win32')('tells systemd by its command what goes on', async () => {
    const told = join(directory, 'told')
    const programs = join(directory, 'programs')
    await writeProgram(programs, 'systemd-notify', `#!/bin/sh\necho "$@" >> ${told}\n`)
    const file = await configure('{ full: "* * * * * *" }')
    const child = daemon(file, { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '400000', PATH: `${programs}:${process.env.PATH}` })
    await child.said('"outcome":"done"')
    await expect.poll(() => readFile(told, 'utf8').catch(() => ''), { timeout: 20_000 }).toContain('WATCHDOG=1')
    child.signal('SIGHUP')
    await child.said('configuration-reloaded')
    child.signal('SIGTERM')
    expect((await child.ended).code).toBe(0)
    const lines = (await readFile(told, 'utf8')).split('\n')
    expect(lines[0]).toBe('READY=1')
    expect(lines).toContainEqual(expect.stringMatching(/^STATUS=next at \d{4}-/))
    expect(lines).toContainEqual(expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/))
    expect(lines.filter((line) => line === 'READY=1')).toHaveLength(2)
    expect(lines).toContain('STOPPING=1')
  })
})

async function leasesIn(repository: string): Promise<readonly string[]> {
  const names = await readdir(repository, { recursive: true })
  return names.filter((name) => name.includes('lease~'))
}

async function writeProgram(folder: string, name: string, text: string): Promise<void> {
  await mkdir(folder)
  await writeFile(join(folder, name), text, { mode: 0o755 })
}
