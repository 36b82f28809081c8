import { execFile } from 'node:child_process'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { reopenable, sampleBytes } from '@backup-planet/core/testing'
import { freePort } from '@backup-planet/tooling/free-port'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createSftpUploader, type SftpSettings } from '../src/index.ts'
import { settingsFor } from './sftp-place.ts'

const run = promisify(execFile)
const bytes = sampleBytes(300_000, 6)

let server: ThrowawaySshd
let other: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd({ hostKeys: ['ed25519', 'rsa'] })
  other = await startThrowawaySshd({ configuration: ['AllowTcpForwarding no'] })
})
afterAll(async () => {
  await server.stop()
  await other.stop()
})

async function failureOf(more: Partial<SftpSettings>): Promise<unknown> {
  await using uploader = createSftpUploader(settingsFor(server, more))
  return await uploader.stat('object').then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('a host key', () => {
  it('that nobody knows is refused, with its fingerprint and what to do', async () => {
    expect(await failureOf({ knownHostsFile: join(server.directory, 'none') })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      retryable: false,
      message: expect.stringContaining(await server.fingerprint('ed25519')) as string,
      hint: expect.stringContaining('ssh-keyscan') as string,
    })
  })

  it('that has changed is refused', async () => {
    const line = (await run('ssh-keygen', ['-y', '-f', server.strangerKeyFile])).stdout
    const file = join(server.directory, 'changed')
    await writeFile(file, `[127.0.0.1]:${server.port} ${line}`)
    expect(await failureOf({ knownHostsFile: file })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      hint: expect.stringContaining('between you and the server') as string,
    })
  })

  it('that another one is pinned for is refused', async () => {
    const wrong = `SHA256:${'A'.repeat(43)}`
    expect(await failureOf({ hostKeyFingerprint: wrong })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.stringContaining(wrong) as string,
    })
  })

  it('is found among several of a server, pinned or in a file that knows only one', async () => {
    expect(await failureOf({ hostKeyFingerprint: await server.fingerprint('rsa') })).toBeUndefined()
    const rsa = (await run('ssh-keygen', ['-y', '-f', join(server.directory, 'host_rsa_key')])).stdout
    const file = join(server.directory, 'rsa-only')
    await writeFile(file, `[127.0.0.1]:${server.port} ${rsa}`)
    await run('ssh-keygen', ['-H', '-f', file])
    expect(await failureOf({ knownHostsFile: file }), 'hashed by ssh-keygen').toBeUndefined()
  })
})

describe('a login', () => {
  it('with a key that is not let in says so', async () => {
    expect(await failureOf({ privateKeyFile: server.strangerKeyFile })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      hint: expect.stringContaining('authorized_keys') as string,
    })
  })

  it('with an encrypted key needs its passphrase', async () => {
    const privateKeyFile = server.encryptedKeyFile
    expect(await failureOf({ privateKeyFile })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.stringContaining('is encrypted') as string,
    })
    expect(await failureOf({ privateKeyFile, passphrase: 'wr0ng' })).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: expect.not.stringContaining('wr0ng') as string,
    })
    expect(await failureOf({ privateKeyFile, passphrase: server.passphrase })).toBeUndefined()
  })

  it('with a file that is no key, or none, says which', async () => {
    expect(await failureOf({ privateKeyFile: server.knownHostsFile })).toMatchObject({ code: 'INVALID_SETTINGS' })
    expect(await failureOf({ privateKeyFile: '/nowhere/key' })).toMatchObject({
      code: 'INVALID_SETTINGS',
      message: expect.stringContaining('/nowhere/key') as string,
    })
  })

  it('through a jump host that passes nothing on says so', async () => {
    const { host, port, user, keyFile: privateKeyFile, knownHostsFile } = other
    expect(await failureOf({ jump: { host, port, user, privateKeyFile, knownHostsFile } })).toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('AllowTcpForwarding') as string,
    })
  })
})

describe('a server', () => {
  it('that does not run, or has no such name, is UNREACHABLE', async () => {
    expect(await failureOf({ port: await freePort() })).toMatchObject({ code: 'UNREACHABLE', retryable: true })
    expect(await failureOf({ host: 'no-such-host.invalid' })).toMatchObject({ code: 'UNREACHABLE' })
  })

  it('that was killed is connected to again by the next operation', async () => {
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/again` }))
    await uploader.upload('object', reopenable(bytes))
    await server.kill()
    await expect(uploader.stat('object')).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    await server.restart()
    expect((await uploader.stat('object'))?.size).toBe(bytes.length)
  })

  it('is reached by an alias of an ssh configuration', async () => {
    const file = join(server.directory, 'config')
    await writeFile(
      file,
      `Host backup-alias\n  HostName 127.0.0.1\n  Port ${server.port}\n  User ${server.user}\n  IdentityFile ${server.keyFile}\n  UserKnownHostsFile ${server.knownHostsFile}\n`,
    )
    await using uploader = createSftpUploader({ host: 'backup-alias', path: `${server.remotePath}/alias`, sshConfig: file })
    await uploader.upload('object', reopenable(bytes))
    expect(await readdir(join(server.files, 'alias'))).toEqual(['object'])
  })
})

describe('a folder', () => {
  it('that does not exist is NOT_FOUND where it shall not be created', async () => {
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/none`, createDirectory: false }))
    await expect(uploader.upload('object', reopenable(bytes))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('behind a symbolic link is never written to', async () => {
    const folder = join(server.files, 'links')
    await mkdir(join(server.files, 'elsewhere'))
    await mkdir(folder)
    await symlink(join(server.files, 'elsewhere'), join(folder, 'link'))
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/links` }))
    await expect(uploader.upload('link/object', reopenable(bytes))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(await readdir(join(server.files, 'elsewhere'))).toEqual([])
  })

  it('on a full disk is OUT_OF_SPACE, and nothing is left', async (context) => {
    const folder = join(server.files, 'full')
    await mkdir(folder)
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder])
    } catch {
      return context.skip('needs the right to mount a file system')
    }
    onTestFinished(async () => {
      await run('umount', [folder])
    })
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/full` }))
    await expect(uploader.upload('a/object', reopenable(bytes))).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      hint: expect.stringContaining('full') as string,
    })
    expect(await readdir(folder)).toEqual([])
    await uploader.upload('a/object', reopenable(bytes.subarray(0, 100_000)))
    expect(await readdir(join(folder, 'a'))).toEqual(['object'])
  })
})
