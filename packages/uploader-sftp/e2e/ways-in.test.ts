import { spawn } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { processOutput } from '@backup-planet/tooling/process-output'
import { startTcpFaultProxy } from '@backup-planet/tooling/tcp-fault-proxy'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSftpUploader, type SftpSettings, type SshServerSettings } from '../src/index.ts'
import { settingsFor } from './sftp-place.ts'

const bytes = sampleBytes(300_000, 8)

/** Each passes on to the next one only, and `target` is the end of the way. */
let first: ThrowawaySshd
let second: ThrowawaySshd
let target: ThrowawaySshd
beforeAll(async () => {
  target = await startThrowawaySshd()
  second = await startThrowawaySshd({ configuration: jumpHostTo(target) })
  first = await startThrowawaySshd({ configuration: jumpHostTo(second) })
})
afterAll(async () => {
  for (const server of [first, second, target]) await server?.stop()
})

function jumpHostTo({ port }: ThrowawaySshd): string[] {
  return ['AllowTcpForwarding local', `PermitOpen 127.0.0.1:${port}`, 'PermitTTY no', 'ForceCommand /bin/false']
}

function loginTo({ host, port, user, keyFile, knownHostsFile }: ThrowawaySshd): SshServerSettings {
  return { host, port, user, privateKeyFile: keyFile, knownHostsFile }
}

/** Stores an object and reads it back, in a folder of its own. */
async function assertStores(settings: SftpSettings, name: string): Promise<void> {
  await using uploader = createSftpUploader({ ...settings, path: `${target.remotePath}/${name}` })
  await uploader.upload('object', reopenable(bytes))
  expect(bytes.equals(await bytesOf(uploader.download('object')))).toBe(true)
  expect(await readdir(join(target.files, name))).toEqual(['object'])
}

async function failureOf(settings: SftpSettings): Promise<unknown> {
  await using uploader = createSftpUploader(settings)
  return await uploader.stat('object').then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('an agent', () => {
  /** An ssh-agent that holds these keys, and ends with the test. */
  async function agentWith(...keyFiles: readonly string[]): Promise<string> {
    const socket = join(target.directory, `agent-${Math.random().toString(36).slice(2)}`)
    const child = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'ignore', 'inherit'] })
    onTestFinished(async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
    })
    const environment = { SSH_AUTH_SOCK: socket }
    // 1: it answers, and holds nothing yet.
    await eventually(
      () =>
        processOutput('ssh-add', ['-l'], { environment }).then(
          () => true,
          (error: Error) => error.message.includes('ended with 1'),
        ),
      'the agent answers',
    )
    for (const file of keyFiles) await processOutput('ssh-add', ['-q', file], { environment })
    return socket
  }

  const withoutKey = (more: Partial<SftpSettings>): SftpSettings => {
    const { privateKeyFile: _, ...settings } = settingsFor(target)
    return { ...settings, ...more }
  }

  it('lets in by the key that it holds, among others', async () => {
    await assertStores(withoutKey({ agent: await agentWith(target.strangerKeyFile, target.keyFile) }), 'agent')
  })

  it('is found in SSH_AUTH_SOCK where nothing else is given', async () => {
    vi.stubEnv('SSH_AUTH_SOCK', await agentWith(target.keyFile))
    onTestFinished(() => void vi.unstubAllEnvs())
    await assertStores(withoutKey({}), 'agent-of-the-environment')
    expect(await failureOf(withoutKey({ agent: false, password: 'none' }))).toMatchObject({ code: 'WRONG_CREDENTIALS' })
  })

  it('without the key is refused', async () => {
    const agent = await agentWith(target.strangerKeyFile)
    expect(await failureOf(withoutKey({ agent }))).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      hint: expect.stringContaining('authorized_keys') as string,
    })
  })

  it('that does not run is named', async () => {
    const agent = join(target.directory, 'no-agent')
    expect(await failureOf(withoutKey({ agent }))).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.stringContaining(agent) as string,
    })
  })
})

describe('a way over other servers', () => {
  it('leads over two in a row, each of which passes on to the next one only', async () => {
    const settings = settingsFor(target)
    await assertStores({ ...settings, jump: [loginTo(first), loginTo(second)] }, 'two-hops')
    expect(await failureOf({ ...settings, jump: [loginTo(first)] })).toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('AllowTcpForwarding') as string,
    })
  })

  it('checks the host key of each', async () => {
    const jump = [loginTo(first), { ...loginTo(second), knownHostsFile: target.knownHostsFile }]
    expect(await failureOf({ ...settingsFor(target), jump })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.stringContaining(`127.0.0.1:${second.port}`) as string,
    })
  })

  const section = (alias: string, { host, port, user, keyFile, knownHostsFile }: ThrowawaySshd, ...more: readonly string[]): string => {
    const login = [`HostName ${host}`, `Port ${port}`, `User ${user}`, `IdentityFile ${keyFile}`, `UserKnownHostsFile ${knownHostsFile}`]
    return `Host ${alias}\n${[...login, ...more].map((line) => `  ${line}\n`).join('')}`
  }

  /** What an ssh configuration must say of the servers on the way that are named by their addresses. */
  const byAddress = (...servers: readonly ThrowawaySshd[]): string => {
    const keys = servers.map(({ keyFile }) => `  IdentityFile ${keyFile}\n`).join('')
    return `Host 127.0.0.1\n${keys}  UserKnownHostsFile ${servers.map(({ knownHostsFile }) => knownHostsFile).join(' ')}\n`
  }
  const place = ({ user, host, port }: ThrowawaySshd): string => `${user}@${host}:${port}`

  it.each([
    ['aliases', () => section('target', target, 'ProxyJump first,second') + section('first', first) + section('second', second)],
    [
      'users, addresses and ports',
      () => section('target', target, `ProxyJump ${place(first)},${place(second)}`) + byAddress(first, second),
    ],
    [
      'a server with a jump of its own',
      () => section('target', target, 'ProxyJump second') + section('second', second, 'ProxyJump first') + section('first', first),
    ],
  ])('is read from ProxyJump of an ssh configuration: %s', async (how, text) => {
    const file = join(target.directory, how)
    await writeFile(file, text())
    await assertStores({ host: 'target', path: '.', sshConfig: file }, how)
  })

  it('that leads in a circle is refused', async () => {
    const file = join(target.directory, 'circle')
    const text =
      section('target', target, 'ProxyJump first') +
      section('first', first, 'ProxyJump second') +
      section('second', second, 'ProxyJump first')
    await writeFile(file, text)
    expect(await failureOf({ host: 'target', path: target.remotePath, sshConfig: file })).toMatchObject({
      code: 'INVALID_SETTINGS',
      message: expect.stringContaining('first') as string,
    })
  })
})

describe('a connection that answers nothing any more', () => {
  it('is given up after three times keepaliveSeconds, and the next operation makes a new one', async () => {
    await using proxy = await startTcpFaultProxy(target)
    const settings = { ...settingsFor(target), port: proxy.port, hostKeyFingerprint: await target.fingerprint() }
    const path = `${target.remotePath}/stalled`
    await using uploader = createSftpUploader({ ...settings, path, keepaliveSeconds: 2, connections: 1 })
    proxy.plan([{ kind: 'stall', direction: 'up', afterBytes: 100_000 }])
    const begun = performance.now()
    await expect(uploader.upload('object', reopenable(bytes))).rejects.toMatchObject({
      code: 'TIMED_OUT',
      retryable: true,
      message: expect.stringContaining('answers nothing any more') as string,
      hint: expect.stringContaining('Check the network') as string,
    })
    const seconds = (performance.now() - begun) / 1000
    expect(seconds).toBeGreaterThan(5.9)
    expect(seconds).toBeLessThan(7.9)
    await uploader.upload('object', reopenable(bytes))
    expect(bytes.equals(await bytesOf(uploader.download('object')))).toBe(true)
    expect(await readdir(join(target.files, 'stalled')), 'what the stalled one wrote is gone').toEqual(['object'])
  })
})
