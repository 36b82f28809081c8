import { access, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { publicKeyOf } from '@backup-planet/core'
import { expect, onTestFinished, test } from 'vitest'
import { type CommandResult, commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'
import { daemonLineTexts } from './documentation/event-documentation.ts'

/** A slot every second, so that nobody has to wait for one. */
const everySecond = sampleConfiguration.replace(
  '    repository: local\n',
  '    repository: local\n    schedule: { full: "* * * * * *", retries: { times: 0 } }\n',
)

async function sample(configuration: string) {
  const line = await commandLineOf(configuration)
  onTestFinished(() => line[Symbol.asyncDispose]())
  return line
}

/** A daemon in this process: what it says so far, and its signals. */
function startDaemon(line: Awaited<ReturnType<typeof commandLineOf>>, argv: readonly string[] = ['daemon']) {
  const said = { stdout: '', stderr: '' }
  const controller = new AbortController()
  const reloading = new Set<() => void>()
  const ended = line.run(argv, {
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    signal: controller.signal,
    onReload(listener) {
      reloading.add(listener)
      return () => reloading.delete(listener)
    },
  })
  onTestFinished(async () => {
    controller.abort()
    await ended
  })
  return {
    said,
    async until(text: string, times = 1) {
      await expect
        .poll(() => (said.stdout + said.stderr).split(text).length - 1, { timeout: 20_000, interval: 20 })
        .toBeGreaterThanOrEqual(times)
    },
    reload: () => {
      for (const reload of reloading) reload()
    },
    async stop(): Promise<CommandResult> {
      controller.abort(new Error('SIGTERM'))
      return { ...(await ended), ...said }
    },
  }
}

test.each([
  ['{ drill: "0 5 * * 8" }', '"0 5 * * 8" is no cron expression'],
  ['{ full: "0 25 * * 1" }', '"0 25 * * 1" is no cron expression'],
])('a schedule of %s is refused at its place', async (schedule, why) => {
  const line = await sample(sampleConfiguration.replace('    repository: local\n', `    repository: local\n    schedule: ${schedule}\n`))
  const { code, stderr } = await line.run(['daemon'])
  expect(stderr).toContain(why)
  expect(stderr).toMatch(/backup-planet\.yaml:7:\d+: jobs\.shop\.schedule/)
  expect(code).toBe(2)
})

test('makes backups by the schedule, says so, and ends with 0', async () => {
  const line = await sample(everySecond)
  const daemon = startDaemon(line)
  await daemon.until('done after', 2)
  const { code, stderr } = await daemon.stop()
  expect(code).toBe(0)
  expect(stderr).toMatch(/Z watching jobs shop\n/)
  expect(stderr).toMatch(/Z shop full: begins for \S+Z\n/)
  expect(stderr).toMatch(/Z shop full: backup \S+ is stored, complete\n/)
  expect(stderr).toContain('stopping: what runs may go on for 5m')
  const made = stderr.split(': done after').length - 1
  expect((await line.run(['list'])).stdout.split('\n').filter((text) => text.startsWith('shop'))).toHaveLength(made)
  const { mode } = await stat(join(line.directory, 'staging/schedule.json'))
  expect(mode & 0o777).toBe(0o600)
  expect((await readdir(join(line.directory, 'staging'))).filter((name) => name.startsWith('daemon'))).toEqual([])
}, 30_000)

test.skipIf(process.platform === 'win32')(
  'a hook that clears away is not cut short when the daemon stops',
  async () => {
    const line = await sample(`${everySecond}daemon: { grace: 100ms }\n`)
    const hook = `touch ${line.directory}/begun; sleep 1; touch ${line.directory}/ended`
    const content = await readFile(line.file, 'utf8')
    await writeFile(line.file, content.replace('    schedule:', `    hooks: { after: [{ command: [sh, -c, "${hook}"] }] }\n    schedule:`))
    const daemon = startDaemon(line)
    await expect
      .poll(
        () =>
          access(join(line.directory, 'begun')).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true)
    const { code, stderr } = await daemon.stop()
    expect(code).toBe(0)
    expect(stderr).toMatch(/shop full: done after/)
    expect(stderr).not.toContain('hook 1 after the run')
    await access(join(line.directory, 'ended'))
  },
  30_000,
)

test('drills and prunes by the schedule as the commands do', async () => {
  const schedule =
    'schedule: { full: "*/2 * * * * *", drill: "* * * * * *", prune: "* * * * * *", retries: { times: 0 } }\n    retention: { keepLast: 1 }'
  const line = await sample(sampleConfiguration.replace('    repository: local\n', `    repository: local\n    ${schedule}\n`))
  const daemon = startDaemon(line, ['daemon', '--json'])
  await expect
    .poll(
      () =>
        new Set([...daemon.said.stdout.matchAll(/"type":"run-ended","run":\{"job":"shop","task":"(\w+)"/g)].map(([, task]) => task)).size,
      { timeout: 20_000 },
    )
    .toBe(3)
  await daemon.until('"type":"drilled"', 2)
  // As often as it looks: the one that is kept, and one that was made since the last prune.
  const fulls = (): number =>
    daemon.said.stdout.split('\n').filter((text) => /"type":"run-ended".*"task":"full".*"outcome":"done"/.test(text)).length
  const listed = async (): Promise<number> => (await line.run(['list'])).stdout.split('\n').filter((text) => text.startsWith('shop')).length
  await expect.poll(async () => fulls() > 3 && (await listed()) <= 2, { timeout: 20_000 }).toBe(true)
  const { stderr } = await daemon.stop()
  const keyFile = join(line.directory, 'staging', 'evidence.key')
  expect(stderr.split('there was no key that signs records of drills').length - 1).toBe(1)
  expect(stderr).toContain(`openssl pkey -in '${keyFile}' -pubout`)
  const publicKey = publicKeyOf(await readFile(keyFile, 'utf8'))
  expect(stderr).toContain(`public half ${publicKey.split('\n')[1]}`)
}, 30_000)

test('serves metrics and its health where it is told to', async () => {
  const line = await sample(`${everySecond}daemon: { listen: "127.0.0.1:0" }\n`)
  const daemon = startDaemon(line)
  await daemon.until('done after', 1)
  const [, url = ''] = /metrics at (\S+)\/metrics/.exec(daemon.said.stderr) ?? []
  const numbers = await (await fetch(`${url}/metrics`)).text()
  expect(numbers).toMatch(/^backup_planet_run_duration_count\{.*job="shop".*\} [1-9]/m)
  const health = await fetch(`${url}/health`)
  expect([health.status, await health.json()]).toEqual([200, { failed: [], schedule: 'watches', healthy: true }])
  await daemon.stop()
  await expect(fetch(`${url}/health`)).rejects.toThrow()
}, 30_000)

test('of two that are told nothing of metrics, each watches its jobs, and no third serves what it is told not to', async () => {
  const daemons = []
  for (const more of ['', '', 'daemon: { listen: false }\n']) daemons.push(startDaemon(await sample(`${everySecond}${more}`)))
  for (const daemon of daemons) await daemon.until('done after')
  const said = daemons.map(
    (daemon) => /(metrics at http:\/\/127\.0\.0\.1:9810|no metrics: nothing can listen on 127\.0\.0\.1:9810)/.exec(daemon.said.stderr)?.[1],
  )
  expect([said[0] ?? said[1], said[1]]).toContain('no metrics: nothing can listen on 127.0.0.1:9810')
  expect(said[2]).toBeUndefined()
  for (const daemon of daemons) await daemon.stop()
}, 60_000)

test('its log is JSON for who collects logs, where it is told to', async () => {
  const line = await sample(`${everySecond}daemon: { listen: false, log: json }\n`)
  const daemon = startDaemon(line)
  await daemon.until('"type":"run-ended"')
  const { stdout, stderr } = await daemon.stop()
  const lines = stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(lines[0]).toMatchObject({ level: 'info', msg: 'watching jobs shop', event: { type: 'daemon-started' } })
  expect(lines).toContainEqual(expect.objectContaining({ level: 'info', job: 'shop', task: 'full', run: expect.any(String) as string }))
  expect(stderr).not.toContain('watching')
}, 30_000)

test('tells what fails and goes on, as JSON lines with the run they are of', async () => {
  const line = await sample(everySecond)
  line.server.fault = 'unreachable'
  const daemon = startDaemon(line, ['daemon', '--json'])
  await daemon.until('"outcome":"failed"', 1)
  delete line.server.fault
  await daemon.until('"outcome":"done"', 1)
  const { stdout } = await daemon.stop()
  const lines = stdout
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Record<string, unknown>)
  expect(lines[0]).toMatchObject({ type: 'daemon-started', jobs: ['shop'], at: expect.stringMatching(/Z$/) as string })
  expect(lines).toContainEqual(
    expect.objectContaining({
      type: 'run-ended',
      outcome: 'failed',
      givenUp: true,
      failure: expect.objectContaining({ code: 'UNREACHABLE' }) as object,
    }),
  )
  expect(lines).toContainEqual(expect.objectContaining({ type: 'stored', job: 'shop', task: 'full' }))
  for (const { type, ...fields } of lines) {
    const documented: readonly string[] | undefined = Object.hasOwn(daemonLineTexts, String(type))
      ? daemonLineTexts[type as keyof typeof daemonLineTexts]
      : undefined
    if (documented === undefined) expect(fields).toMatchObject({ job: 'shop', task: 'full' })
    else expect(documented).toEqual(expect.arrayContaining(Object.keys(fields)))
  }
  expect(lines.filter(({ type }) => type === 'bytes' || type === 'idle')).toEqual([])
}, 30_000)

test('a changed configuration is taken on demand; a broken one is told, and the one before stays', async () => {
  const line = await sample(sampleConfiguration)
  const daemon = startDaemon(line)
  await daemon.until('watching no jobs: none has a schedule')
  await writeFile(line.file, 'jobs: [')
  daemon.reload()
  await daemon.until('the configuration is wrong, the one before stays')
  await writeFile(line.file, everySecond)
  daemon.reload()
  await daemon.until('configuration reloaded: watching jobs shop')
  await daemon.until('done after')
  expect((await daemon.stop()).code).toBe(0)
}, 30_000)

test('a second daemon of a configuration is refused, and names the first', async () => {
  const line = await sample(sampleConfiguration)
  const daemon = startDaemon(line)
  await daemon.until('watching')
  const { code, stderr } = await line.run(['daemon'])
  expect(stderr).toContain(`a daemon watches this configuration already: process ${process.pid}`)
  expect(code).toBe(1)
  expect((await line.run(['status'])).stdout).toContain(`watched by the daemon, process ${process.pid}`)
  await daemon.stop()
  expect((await line.run(['status'])).stdout).toContain('no daemon watches this configuration')
}, 30_000)

test('with its state removed, it knows from the repository what was made', async () => {
  const yearly = everySecond.replace('* * * * * *', '0 0 0 1 1 *')
  const line = await sample(yearly)
  await line.run(['run', 'shop'])
  const daemon = startDaemon(line)
  await expect
    .poll(
      () =>
        access(join(line.directory, 'staging/schedule.json')).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true)
  await daemon.stop()
  const state = JSON.parse(await readFile(join(line.directory, 'staging/schedule.json'), 'utf8')) as {
    jobs: { shop: { tasks: { full: { settledUntil: number } } } }
  }
  const [backup] = (await line.run(['list', '--json'])).lines
    .map((each) => each.backup as { beganAt: string } | undefined)
    .filter((each) => each !== undefined)
  expect(state.jobs.shop.tasks.full.settledUntil).toBe(Date.parse(backup?.beganAt ?? ''))
  await rm(join(line.directory, 'staging'), { recursive: true })
}, 30_000)

test('status says what ran last, what runs next, and until when can be restored', async () => {
  const line = await sample(everySecond.replace('full: "* * * * * *"', 'full: "0 0 2 * * *"'))
  const before = await line.run(['status'])
  expect(before.stdout).toMatch(
    /^no daemon watches this configuration\n\nshop: nothing can be restored yet\nTASK +SCHEDULE +LAST RUN +NEXT RUN\nfull +0 0 2 \* \* \* +\d{4}-/,
  )
  expect(before.code).toBe(1)
  await line.run(['run', 'shop'])
  const after = await line.run(['status', 'shop', '--json'])
  expect(after.code).toBe(0)
  expect(after.lines.at(-1)).toMatchObject({
    type: 'result',
    command: 'status',
    daemon: null,
    jobs: [
      {
        job: 'shop',
        restorableUntil: expect.any(String) as string,
        windows: [{}],
        tasks: [{ task: 'full', schedule: '0 0 2 * * *', failures: 0, next: expect.any(String) as string }],
      },
    ],
  })
})

test('status ends with 1 after a run that failed, and 3 when a repository is away', async () => {
  const line = await sample(everySecond)
  await line.run(['run', 'shop'])
  line.server.fault = 'unreachable'
  const daemon = startDaemon(line)
  await daemon.until('not tried again before its next slot')
  await daemon.stop()
  const failed = await line.run(['status'])
  expect(failed.stdout).toMatch(/failed \d{4}-\S+Z, \d+s ago/)
  expect(failed.code).toBe(1)
  expect((await line.run(['status', 'nobody'])).code).toBe(2)
  await rm(join(line.directory, 'staging/schedule.json'))
  await writeFile(
    line.file,
    sampleConfiguration.replace('destination: ./backups', 'destination: ./away, uploader: { settings: { createDirectory: false } }'),
  )
  const away = await line.run(['status'])
  expect(away.stdout).toContain('what can be restored is not known')
  expect(away.code).toBe(3)
}, 30_000)
