import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { withRetry } from '@backup-planet/core'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
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

  it('that is killed while it is written to is UNREACHABLE, has nothing half, and takes the rest later', async () => {
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/midway` }))
    const content = {
      async *open() {
        yield bytes
        await server.kill()
        yield bytes
      },
    }
    await expect(uploader.upload('object', content)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: true,
      message: expect.stringContaining(`127.0.0.1:${server.port}`) as string,
      hint: expect.stringContaining('goes on where it stopped') as string,
    })
    await expect(uploader.stat('object')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('ECONNREFUSED') as string,
      hint: expect.stringContaining('Check that an SSH server runs') as string,
    })
    await server.restart()
    expect(await uploader.stat('object')).toBeUndefined()
    await uploader.upload('object', reopenable(bytes))
    expect(await readdir(join(server.files, 'midway'))).toEqual(['object'])
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
    await expect(uploader.upload('object', reopenable(bytes))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(`${server.remotePath}/none`) as string,
      hint: expect.stringContaining('createDirectory') as string,
    })
    expect(await readdir(server.files)).not.toContain('none')
  })

  it('that may not be written to is ACCESS_DENIED, and can be read', async () => {
    await using readOnly = await startThrowawaySshd({ configuration: ['ForceCommand internal-sftp -R'] })
    await writeFile(join(readOnly.files, 'object'), bytes)
    await using uploader = createSftpUploader(settingsFor(readOnly))
    await expect(uploader.upload('a/object', reopenable(bytes))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      retryable: false,
      message: expect.stringContaining('Permission denied') as string,
      hint: expect.stringContaining('read and write this folder') as string,
    })
    await expect(uploader.remove('object')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(bytes.equals(await bytesOf(uploader.download('object')))).toBe(true)
  })

  it('on a disk that is mounted read-only is ACCESS_DENIED, which OpenSSH itself calls a failure', async (context) => {
    const folder = join(server.files, 'read-only')
    await mkdir(folder)
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder])
    } catch {
      return context.skip('needs the right to mount a file system')
    }
    onTestFinished(async () => {
      await run('umount', [folder])
    })
    await using uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/read-only` }))
    for (const key of ['object', 'a/object']) {
      await expect(uploader.upload(key, reopenable(bytes))).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        message: expect.stringContaining('mounted read-only') as string,
        hint: expect.stringContaining('Mount it for writing') as string,
      })
    }
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

describe('a server that takes only so much at once', () => {
  /** A connection that never logs in: one of those that MaxStartups counts. The server may count one that has just ended, and is asked again. */
  async function unfinishedLogin({ port }: ThrowawaySshd): Promise<Socket> {
    for (let attempt = 1; attempt <= 500; attempt++) {
      const socket = connect({ host: '127.0.0.1', port })
      socket.on('error', () => undefined)
      const [greeting] = (await once(socket, 'data')) as [Buffer]
      if (greeting.toString('latin1').startsWith('SSH-')) return socket
      socket.destroy()
      await delay(10)
    }
    throw new Error('the server takes no connection')
  }

  it('refuses a login beyond MaxStartups, which is said; what is logged in already does the work', async () => {
    await using busy = await startThrowawaySshd({ configuration: ['MaxStartups 1:100:1'] })
    await using uploader = createSftpUploader(settingsFor(busy, { connections: 4 }))
    const waiting = await unfinishedLogin(busy)
    await expect(uploader.upload('object', reopenable(bytes))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      retryable: true,
      hint: expect.stringContaining('MaxStartups') as string,
    })
    waiting.destroy()
    await withRetry(uploader, { firstDelayMs: 20 }).upload('object', reopenable(bytes))
    const again = await unfinishedLogin(busy)
    const keys = ['a', 'b', 'c', 'd'].map((name) => `several/${name}`)
    await Promise.all(keys.map((key) => uploader.upload(key, reopenable(bytes))))
    again.destroy()
    expect((await readdir(join(busy.files, 'several'))).sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('with MaxSessions 1 is verified by reading back, as it runs no command beside SFTP', async () => {
    await using narrow = await startThrowawaySshd({ configuration: ['MaxSessions 1'] })
    await using uploader = createSftpUploader(settingsFor(narrow, { verify: 'checksum' }))
    expect((await uploader.upload('object', reopenable(bytes))).size).toBe(bytes.length)
  })

  it('with MaxSessions 0 says that it opens no session', async () => {
    await using closed = await startThrowawaySshd({ configuration: ['MaxSessions 0'] })
    await using uploader = createSftpUploader(settingsFor(closed))
    await expect(uploader.stat('object')).rejects.toMatchObject({
      code: 'OVERLOADED',
      hint: expect.stringContaining('MaxSessions') as string,
    })
  })
})
