import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type HttpReceiver, startHttpReceiver } from '@backup-planet/tooling/http-receiver'
import { expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'

/** Hooks are programs of POSIX here. */
const onWindows = process.platform === 'win32'

interface Told {
  readonly type: string
  readonly subject: string
  readonly body: string
  readonly hint?: string
}

function told({ requests }: HttpReceiver): readonly Told[] {
  return requests.map(({ body }) => JSON.parse(body) as Told)
}

function configured(notifications: string, hooks = ''): string {
  return `${sampleConfiguration.replace('    settings:', `${hooks}    settings:`)}notifications:\n${notifications}`
}

const webhook = `    chat: { kind: webhook, url: "\${env:CHAT_URL}", insecure: true }\n`

async function withReceiver(configuration: string) {
  const receiver = await startHttpReceiver()
  const here = await commandLineOf(configuration)
  const environment = {
    SAMPLE_PASSWORD: samplePassword,
    HOME: here.directory,
    LANG: 'C',
    NO_COLOR: '1',
    CHAT_URL: `${receiver.url}/hook/s3cr3t-token`,
  }
  return {
    ...here,
    receiver,
    run: (...argv: readonly string[]) => here.run(argv, { environment }),
    runAt: (now: number, ...argv: readonly string[]) => here.run(argv, { environment, now: () => now }),
    async [Symbol.asyncDispose]() {
      await here[Symbol.asyncDispose]()
      await receiver[Symbol.asyncDispose]()
    },
  }
}

test('mistakes below "notifications" and "hooks" are named with line and column, references are left for later', async () => {
  const hooks = '    hooks: { before: [{ command: [], essentail: true }], after: [{ command: /bin/true }] }\n'
  const channels = `    chat: { kind: webhook, url: "\${env:CHAT_URL}", presett: slack }
    mail: { kind: email, host: mail.example.org, from: "\${env:FROM}", to: not-an-address, jobs: [shopp] }
    odd: { kind: mail }
    plain: { kind: ping, url: "http://hc.example.org/s3cr3t-token" }
`
  await using here = await commandLineOf(configured(`  digest: { every: hourly, timezone: Mars/Base }\n  channels:\n${channels}`, hooks))
  const { code, stderr } = await here.run(['list'])
  expect(code).toBe(2)
  for (const expected of [
    /:\d+:\d+: jobs\.shop\.hooks\.before\.0\.command: expected a program/,
    /:\d+:\d+: unknown key "essentail" in jobs\.shop\.hooks\.before\.0, did you mean "essential"\?/,
    /:\d+:\d+: jobs\.shop\.hooks\.after\.0\.command: expected a list such as/,
    /:\d+:\d+: unknown key "presett" in notifications\.channels\.chat, did you mean "preset"\?/,
    /:\d+:\d+: notifications\.channels\.mail\.to: /,
    /:\d+:\d+: notifications\.channels\.odd\.kind: expected email, webhook or ping/,
    /:\d+:\d+: notifications\.channels\.plain\.url: begins with http:\/\//,
    /:\d+:\d+: notifications\.digest\.every: expected daily or weekly/,
    /:\d+:\d+: notifications\.digest\.timezone: expected a time zone such as Europe\/Paris/,
  ]) {
    expect(stderr).toMatch(expected)
  }
  expect(stderr).not.toMatch(/s3cr3t|channels\.mail\.from|channels\.chat\.url/)
  await using jobs = await commandLineOf(configured(`  channels:\n    ping: { kind: ping, url: "\${env:X}", jobs: [shopp] }\n`))
  expect((await jobs.run(['list'])).stderr).toContain('notifications.channels.ping.jobs.0: there is no job "shopp", did you mean "shop"?')
})

test('a URL that is written out makes the configuration a secret', async () => {
  await using here = await commandLineOf(
    configured('  channels:\n    chat: { kind: webhook, url: "https://hooks.example.org/s3cr3t-token" }\n'),
  )
  await chmod(here.file, 0o644)
  if (onWindows) return
  const { code, stderr } = await here.run(['run', 'shop'])
  expect(code).toBe(2)
  expect(stderr).toContain('notifications.channels.chat.url')
})

test('a failure of a run is told once and its recovery once, only where that is asked for', async () => {
  await using here = await withReceiver(configured(`  channels:\n${webhook}`))
  here.server.fault = 'leaks-password'
  expect((await here.run('run', 'shop')).code).toBe(1)
  expect(told(here.receiver)).toEqual([])
  for (let times = 0; times < 3; times++) expect((await here.run('run', 'shop', '--notify')).code).toBe(1)
  delete here.server.fault
  expect((await here.run('run', 'shop', '--notify')).code).toBe(0)
  expect((await here.run('run', 'shop', '--notify')).code).toBe(0)
  expect(told(here.receiver).map(({ subject }) => subject)).toEqual(['shop: full backup failed (UNKNOWN)', 'shop: full backup works again'])
  const [failed, recovered] = told(here.receiver)
  expect(failed?.body).toContain('login of root:*** refused')
  expect(failed?.hint).toMatch(/\.$/)
  expect(JSON.stringify(told(here.receiver))).not.toContain(samplePassword.slice(0, 13))
  expect(recovered?.body).toMatch(/Backup \S+, full, 16 B\.\n/)
  const state = join(here.directory, 'staging', 'notifications')
  expect(await readdir(state)).toEqual(['state.json'])
  if (!onWindows) expect((await stat(join(state, 'state.json'))).mode & 0o777).toBe(0o600)
})

test('with onRun every run tells, and not where it is told not to; a channel that does not answer changes nothing of the run', async () => {
  await using here = await withReceiver(
    configured(`  onRun: true\n  channels:\n${webhook}    gone: { kind: webhook, url: "\${env:NO_SUCH_VARIABLE}" }\n`),
  )
  here.server.fault = 'one-item-fails'
  expect((await here.run('run', 'shop', '--no-notify')).code).toBe(3)
  expect(told(here.receiver)).toEqual([])
  const { code, stderr } = await here.run('run', 'shop')
  expect(code).toBe(3)
  expect(stderr).toContain('warning: channel gone: "shop: full backup is partial (APPLICATION)" could not be sent: INVALID_SETTINGS')
  expect(told(here.receiver).map(({ type }) => type)).toEqual(['partial', 'channel-broken'])
  expect(told(here.receiver)[0]?.body).toContain('Not in this backup: orders')
  here.receiver.answer(() => ({ status: 500 }))
  here.server.fault = 'unreachable'
  const failed = await here.run('run', 'shop')
  expect(failed.code).toBe(1)
  expect(failed.stderr).toMatch(/could not be sent: OVERLOADED 127\.0\.0\.1:\d+ answered 500/)
  expect(failed.stderr).not.toContain('s3cr3t-token')
})

test('a token in a header is shown to nobody, whatever its service repeats of it', async () => {
  const token = 't0k3n-0f-the-pager'
  const pager = `    pager: { kind: webhook, url: "\${env:CHAT_URL}/pager", insecure: true, headers: { Authorization: "Bearer ${token}" } }\n`
  await using here = await withReceiver(configured(`  onRun: true\n  channels:\n${webhook}${pager}`))
  here.receiver.answer(({ path }) =>
    path.endsWith('/pager') ? { status: 403, body: `${token.toUpperCase()} is no token, nor is ${token}` } : { status: 200 },
  )
  here.server.fault = 'unreachable'
  const { stdout, stderr } = await here.run('run', 'shop')
  const broken = told(here.receiver).find(({ type }) => type === 'channel-broken')
  expect(broken?.body).toContain('nor is ***')
  expect(JSON.stringify([broken, stdout, stderr])).not.toContain(token)
  const state = await readFile(join(here.directory, 'staging', 'notifications', 'state.json'), 'utf8')
  expect(state).not.toContain(token)
})

test('a digest says until when can be restored by what is in the repositories, whoever made it', async () => {
  await using here = await withReceiver(
    configured(
      `  onRun: true\n  digest: { every: daily, at: "07:00", timezone: UTC }\n  channels:\n${webhook.replace(' }', ', on: [digest] }')}`,
    ),
  )
  expect((await here.run('run', 'shop')).code).toBe(0)
  expect((await here.run('run', 'shop', '--no-notify')).code).toBe(0)
  const { lines } = await here.run('windows', 'shop', '--json')
  const until = String(lines.at(-1)?.restorableUntil).replace(/T(.*)\.\d+Z$/, ' $1 UTC')
  here.server.fault = 'unreachable'
  const tomorrow = Date.now() + 86_400_000
  expect((await here.runAt(tomorrow, 'run', 'shop')).code).toBe(1)
  const [digest, ...more] = told(here.receiver)
  expect(more).toEqual([])
  expect(digest).toMatchObject({ type: 'digest', subject: expect.stringContaining('failing: shop') })
  expect(digest?.body).toContain(`restorable until ${until}`)
})

test('notify --test says what each channel answered', async () => {
  await using here = await withReceiver(
    configured(
      `  channels:\n${webhook}    far: { kind: webhook, url: "\${env:CHAT_URL}", insecure: true, template: { text: "{{subject}}" } }\n`,
    ),
  )
  const both = await here.run('notify', '--test')
  expect(both.code).toBe(0)
  expect(both.stdout).toMatch(/^chat: sent, webhook 127\.0\.0\.1:\d+ answered: 200 ok\nfar: sent, webhook/)
  here.receiver.answer(() => ({ status: 403, body: 'invalid_token' }))
  const one = await here.run('notify', '--test', 'far', '--json')
  expect(one.code).toBe(1)
  expect(one.lines).toMatchObject([
    { type: 'result', command: 'notify', channels: [{ channel: 'far', failure: { code: 'WRONG_CREDENTIALS' } }] },
  ])
  expect(here.receiver.requests.map(({ body }) => JSON.parse(body) as object)).toMatchObject([
    { type: 'test' },
    { text: 'test of the channel far' },
    { text: 'test of the channel far' },
  ])
  expect((await here.run('notify')).code).toBe(2)
  expect((await here.run('notify', '--test', 'chatt')).stderr).toContain('Did you mean "chat"?')
  await using none = await commandLineOf(sampleConfiguration)
  expect((await none.run(['notify', '--test'])).stderr).toContain('there are no channels')
})

test.skipIf(onWindows)('hooks are run around a run, without its secrets, and an essential one that fails prevents it', async () => {
  const hooks = `    hooks:
      before: [{ command: [sh, -c, 'echo "$BACKUP_PLANET_HOOK $BACKUP_PLANET_JOB \${SAMPLE_PASSWORD:-unset}" >> log; test ! -e refuse'], essential: true }]
      after: [{ command: [sh, -c, 'echo "$BACKUP_PLANET_HOOK $BACKUP_PLANET_OUTCOME $BACKUP_PLANET_CODE" >> log; test ! -e broken'], essential: true, timeout: 10s }]
`
  await using here = await withReceiver(
    configured(`  onRun: true\n  channels:\n${webhook}`, hooks.replaceAll('>> log', '>> LOG').replaceAll('-e ', '-e DIRECTORY/')),
  )
  await writeFile(
    here.file,
    (await readFile(here.file, 'utf8')).replaceAll('LOG', join(here.directory, 'log')).replaceAll('DIRECTORY', here.directory),
  )
  const log = async () => (await readFile(join(here.directory, 'log'), 'utf8')).trim().split('\n')
  process.env.SAMPLE_PASSWORD = 'of this process'
  try {
    expect((await here.run('run', 'shop')).code).toBe(0)
    expect(await log()).toEqual(['before shop unset', 'after done'])
    await writeFile(join(here.directory, 'refuse'), '')
    const { code, stderr } = await here.run('run', 'shop')
    expect(code).toBe(1)
    expect(stderr).toContain(
      'hook 1 before the run: sh ended with exit code 1 and said nothing; no backup was made, because this hook is essential',
    )
    expect((await log()).slice(2)).toEqual(['before shop unset', 'after failed APPLICATION'])
    expect(told(here.receiver).map(({ subject }) => subject)).toEqual(['shop: full backup failed (APPLICATION)'])
    await writeFile(join(here.directory, 'broken'), '')
    await here.run('run', 'shop')
    await rm(join(here.directory, 'refuse'))
    const done = await here.run('run', 'shop')
    expect(done.code).toBe(3)
    expect(done.stdout).toContain('complete: full backup')
    expect(done.stderr).toContain('hook 1 after the run: sh ended with exit code 1 and said nothing')
    expect(told(here.receiver).at(-1)).toMatchObject({ type: 'partial' })
  } finally {
    delete process.env.SAMPLE_PASSWORD
  }
})
