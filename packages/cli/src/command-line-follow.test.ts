import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startHttpReceiver } from '@backup-planet/tooling/http-receiver'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf } from './__fixtures__/command-line-run.ts'
import { type MemoryServers, memoryConfiguration, memoryPlugin, memoryServers } from './__fixtures__/memory-plugin.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
let servers: MemoryServers
let controller: AbortController
/** How far the clock of the command is ahead, in milliseconds. */
let ahead: number
beforeEach(async () => {
  ahead = 0
  here = await commandLineOf(memoryConfiguration)
  servers = memoryServers()
  controller = new AbortController()
})
afterEach(async () => {
  controller.abort()
  await here[Symbol.asyncDispose]()
})

const plugins = () => [memoryPlugin(servers)]

/** Follows until it is stopped; `said` resolves when standard error, or with --json standard output, has the text so often. */
function follow(...argv: readonly string[]) {
  let text = ''
  const waiting: { readonly wanted: string; readonly times: number; readonly resolve: () => void }[] = []
  const write = (more: string) => {
    text += more
    for (const { wanted, times, resolve } of waiting) if (text.split(wanted).length > times) resolve()
  }
  const ended = here.run(['follow', 'shop', '--every', '100ms', ...argv], {
    plugins: plugins(),
    signal: controller.signal,
    now: () => Date.now() + ahead,
    stdout: { write },
    stderr: { write },
  })
  return {
    ended: ended.then(({ code }) => ({ code, text })),
    said: (wanted: string, times = 1) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ wanted, times, resolve })
        write('')
        ended.then(() => reject(new Error(`it ended, and had said ${text}`)), reject)
      }),
  }
}

test('what comes is stored until it is stopped, and then what had come: with exit code 0', async () => {
  const { ended, said } = follow('--json')
  await said('"type":"following"')
  servers.source.write('orders', 'two')
  await said('"type":"restorable"', 2)
  servers.source.write('orders', 'three')
  controller.abort(new Error('SIGINT: stopping'))
  const { code, text } = await ended
  expect(code).toBe(0)
  const lines = text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  expect(lines.at(-1)).toMatchObject({ type: 'result', command: 'follow', stored: 3, restorableUntil: expect.any(String) })
  expect(await here.run(['restore', 'shop', '--to', 'scratch'], { plugins: plugins() })).toMatchObject({ code: 0 })
  expect(String(servers.scratch.items.get('orders'))).toBe('three')
})

test('people are told what it does, and until when everything can be restored', async () => {
  const { ended, said } = follow()
  await said('following the server of job shop')
  servers.source.write('orders', 'two')
  servers.source.stop()
  await said('trying again in')
  servers.source.start()
  await said('following the server of job shop', 2)
  controller.abort()
  const { code, text } = await ended
  expect(text).toContain('a full backup is made instead of a log one: there is no full backup yet')
  expect(text).toMatch(/restorable until \S+Z \(backup \S+\)\n/)
  expect(text).toContain('following cannot go on for now: nobody answers at memory:source; trying again in 1s\n  hint: Start the server.')
  expect(text).toMatch(/\nfollowed job shop: \d+ backups stored; restorable until \S+Z\n$/)
  expect(code).toBe(0)
})

test.skipIf(process.platform === 'win32')('hooks are run around it, and channels told that it begins, fails and works again', async () => {
  await using receiver = await startHttpReceiver()
  const log = join(here.directory, 'hooks')
  const hook = `[{ command: [sh, -c, 'echo "$BACKUP_PLANET_HOOK $BACKUP_PLANET_KIND $BACKUP_PLANET_OUTCOME" >> ${log}'] }]`
  const on = '[run-started, failed, recovered]'
  const channels = `notifications: { channels: { chat: { kind: webhook, url: "${receiver.url}/hook", insecure: true, on: ${on} } } }\n`
  const configuration = memoryConfiguration.replace('{ agent: memory,', `{ hooks: { before: ${hook}, after: ${hook} }, agent: memory,`)
  await writeFile(here.file, `${configuration}${channels}`, { mode: 0o600 })
  const told = () => receiver.requests.map(({ body }) => (JSON.parse(body) as { readonly subject: string }).subject)
  const { ended, said } = follow('--notify')
  await said('following the server of job shop')
  servers.source.stop()
  await said('trying again in')
  ahead = 61_000
  // The reason is as before, so that it is not said again.
  await expect.poll(() => told().length, { timeout: 20_000 }).toBe(2)
  servers.source.start()
  await said('following the server of job shop', 2)
  const expected = ['shop: following begins', 'shop: following failed (UNREACHABLE)', 'shop: following works again']
  await expect.poll(told, { timeout: 10_000 }).toEqual(expected)
  controller.abort()
  expect(await ended).toMatchObject({ code: 0 })
  expect(await readFile(log, 'utf8')).toBe('before log \nafter log done\n')
  expect(told()).toEqual(expected)
})

test.skipIf(process.platform === 'win32')(
  'an essential hook that fails prevents it, and nobody is told where that was not asked for',
  async () => {
    await using receiver = await startHttpReceiver()
    const channels = `notifications: { onRun: true, channels: { chat: { kind: webhook, url: "${receiver.url}/hook", insecure: true } } }\n`
    const hooks = '{ hooks: { before: [{ command: ["false"], essential: true }] }, agent: memory,'
    await writeFile(here.file, `${memoryConfiguration.replace('{ agent: memory,', hooks)}${channels}`, { mode: 0o600 })
    const run = (...argv: readonly string[]) => here.run(['follow', 'shop', ...argv], { plugins: plugins() })
    const prevented = { code: 1, stderr: expect.stringContaining('because this hook is essential') }
    expect(await run('--no-notify')).toMatchObject(prevented)
    expect(receiver.requests).toEqual([])
    expect(await run()).toMatchObject(prevented)
    expect(receiver.requests.map(({ body }) => (JSON.parse(body) as { readonly type: string }).type)).toEqual(['failed'])
  },
)

test('other runs of the job are made beside it, a second one that follows is refused', async () => {
  const { ended, said } = follow()
  await said('following the server')
  const options = { plugins: plugins() }
  expect(await here.run(['run', 'shop'], options)).toMatchObject({ code: 0 })
  expect(await here.run(['follow', 'shop'], options)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('failed: CONFLICT\n  job "shop" is already being followed by this process'),
  })
  controller.abort()
  expect(await ended).toMatchObject({ code: 0 })
})

test.each([
  [['--every', 'often'], '--every "often" is no duration'],
  [['--every', '0s'], '--every "0s" is no duration of 100 ms or more'],
  [['--bytes', 'much'], '--bytes "much" is no size'],
])('%j is refused', async (options, message) => {
  expect(await here.run(['follow', 'shop', ...options], { plugins: plugins() })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(message),
  })
})

test('an agent that cannot follow says so', async () => {
  const plugin = memoryPlugin(servers, ({ follow: _, ...agent }) => agent)
  expect(await here.run(['follow', 'shop'], { plugins: [plugin] })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('failed: UNSUPPORTED\n  the agent for memory cannot follow a server'),
  })
})
