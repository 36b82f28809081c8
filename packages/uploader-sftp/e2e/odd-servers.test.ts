import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withRetry } from '@backup-planet/core'
import { describeUploaderContract, type UploaderHarness } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startTcpFaultProxy } from '@backup-planet/tooling/tcp-fault-proxy'
import { describe, expect, it } from 'vitest'
import { createSftpUploader, type SftpSettings, type SftpUploader } from '../src/index.ts'
import { identityOf, newAsideName, newPartName } from '../src/part-name.ts'
import { type OddSftpServer, type OddSftpServerOptions, startOddSftpServer } from './odd-sftp-server.ts'
import { filesBelow } from './sftp-place.ts'

const bytes = sampleBytes(1_000_000, 4)
const hour = 3600

/** As if it was last written so long ago. */
async function aged(path: string, seconds: number): Promise<void> {
  const at = Date.now() / 1000 - seconds
  await utimes(path, at, at)
}

function settingsOf(server: OddSftpServer, more: Partial<SftpSettings> = {}): SftpSettings {
  return {
    host: server.host,
    port: server.port,
    user: 'anybody',
    path: join(server.files, 'place'),
    password: 'right',
    hostKeyFingerprint: server.fingerprint,
    ...more,
  }
}

function harnessOf(options: OddSftpServerOptions, more: Partial<SftpSettings> = {}): () => Promise<UploaderHarness> {
  return async () => {
    const server = await startOddSftpServer(options)
    const uploaders: SftpUploader[] = []
    const create = (): SftpUploader => {
      const uploader = createSftpUploader(settingsOf(server, more))
      uploaders.push(uploader)
      return uploader
    }
    return {
      uploader: create(),
      another: create,
      everythingStored: () => filesBelow(join(server.files, 'place')),
      async dispose() {
        for (const uploader of uploaders) await uploader[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
      },
    }
  }
}

describeUploaderContract('sftp uploader at a server without extensions that takes one request at a time and answers reads with little', {
  makeUploader: harnessOf({ oneAtATime: true, readBytes: 20_000 }, { requests: 1 }),
})

describe('a server that takes one request at a time', () => {
  it('is found out by itself', async () => {
    await using server = await startOddSftpServer({ oneAtATime: true })
    await using uploader = createSftpUploader(settingsOf(server, { connections: 1 }))
    await uploader.upload('a/b/object', reopenable(bytes))
    expect(bytes.equals(await bytesOf(uploader.download('a/b/object')))).toBe(true)
    expect(server.mostAtOnce()).toBe(1)
  })

  it('is found out by a download too', async () => {
    await using server = await startOddSftpServer({ oneAtATime: true })
    await mkdir(join(server.files, 'place'))
    await writeFile(join(server.files, 'place', 'object'), bytes)
    await using uploader = createSftpUploader(settingsOf(server, { connections: 1 }))
    expect(bytes.equals(await bytesOf(uploader.download('object')))).toBe(true)
  })

  it('is not what a network is that broke once, just then', async () => {
    await using server = await startOddSftpServer({ oneAtATime: { connections: 1 } })
    await using uploader = createSftpUploader(settingsOf(server, { connections: 1 }))
    await uploader.upload('a/b/object', reopenable(bytes))
    expect(server.mostAtOnce()).toBeGreaterThan(1)
  })
})

describe('a server with another clock', () => {
  it.each([
    ['behind', -2 * hour],
    ['ahead', 2 * hour],
  ])(
    'that is two hours %s keeps what others upload, and loses what they have left for an hour, or for a week where it can be gone on with',
    async (_, clockAheadSeconds) => {
      await using server = await startOddSftpServer({ clockAheadSeconds })
      const large = sampleBytes(10 * 1024 ** 2, 5)
      const content = reopenable(large)
      const folder = join(server.files, 'place')
      await mkdir(folder)
      const part = newPartName('object', identityOf('object', content))
      const [young, old] = [newPartName('young', undefined), newPartName('old', undefined)]
      for (const name of [young, old, part]) await writeFile(join(folder, name), large.subarray(0, 9 * 1024 ** 2))
      await aged(join(folder, young), 0.9 * hour)
      await aged(join(folder, old), 1.1 * hour)
      // Of last night, under other keys.
      const [lastNight, lastWeek] = [newPartName('other', identityOf('a', content)), newPartName('other', identityOf('b', content))]
      for (const name of [lastNight, lastWeek]) await writeFile(join(folder, name), large.subarray(0, 9 * 1024 ** 2))
      await aged(join(folder, lastNight), 24 * hour)
      await aged(join(folder, lastWeek), 7.1 * 24 * hour)
      await using uploader = createSftpUploader(settingsOf(server))
      await uploader.upload('object', content)
      expect((await readdir(folder)).sort(), 'after an upload that went on with a part').toEqual([young, lastNight, 'object'].sort())
      await writeFile(join(folder, old), '')
      await aged(join(folder, old), 1.1 * hour)
      expect(await uploader.removeAbandonedParts()).toBe(1)
      expect((await readdir(folder)).sort()).toEqual([young, lastNight, 'object'].sort())
      await using hurried = createSftpUploader(settingsOf(server, { abandonedAfterSeconds: hour }))
      expect(await hurried.removeAbandonedParts()).toBe(1)
      expect((await readdir(folder)).sort()).toEqual([young, 'object'].sort())
    },
  )
})

describe('a server without extensions', () => {
  it('replaces in two steps, which is said after the first connection', async () => {
    await using server = await startOddSftpServer()
    await using uploader = createSftpUploader(settingsOf(server))
    await uploader.upload('object', reopenable(bytes))
    expect(uploader.supports.atomicReplace).toBe(false)
    await uploader.upload('object', reopenable(bytes.subarray(0, 10)))
    expect((await uploader.stat('object'))?.size).toBe(10)
    expect(server.mostAtOnce()).toBeGreaterThan(1)
  })

  it.each([
    ['stays broken', 2, bytes],
    ['is whole again', 1, bytes.subarray(1)],
  ])('has the old or the new object when the network breaks in the middle of a replacement, and %s', async (_, breaks, expected) => {
    await using server = await startOddSftpServer()
    await using direct = createSftpUploader(settingsOf(server))
    await direct.upload('object', reopenable(bytes))
    await using proxy = await startTcpFaultProxy(server)
    proxy.plan(Array.from({ length: breaks }, () => ({ kind: 'cut', direction: 'up', afterBytes: 500_000 }) as const))
    await using uploader = createSftpUploader(settingsOf(server, { port: proxy.port, connections: 1, requests: 1 }))
    const replacement = withRetry(uploader, { attempts: 2, firstDelayMs: 1 }).upload('object', reopenable(bytes.subarray(1)))
    if (breaks === 2) await expect(replacement).rejects.toMatchObject({ code: 'UNREACHABLE' })
    else expect((await replacement).size).toBe(bytes.length - 1)
    expect(uploader.supports.atomicReplace).toBe(false)
    expect(expected.equals(await bytesOf(direct.download('object')))).toBe(true)
  })

  it('keeps the old object when what is to replace it is gone', async () => {
    await using server = await startOddSftpServer()
    await using uploader = createSftpUploader(settingsOf(server))
    const folder = join(server.files, 'place')
    await uploader.upload('object', reopenable(bytes))
    const content = {
      async *open() {
        yield bytes.subarray(0, 500_000)
        for (const name of await readdir(folder)) if (name !== 'object') await rm(join(folder, name))
      },
    }
    await expect(uploader.upload('object', content)).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      message: expect.stringContaining('removed what was sent') as string,
    })
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
  })

  it.each([
    ['every rename', () => true],
    ['the rename that puts a part in its place', (from: string) => from.endsWith('.part')],
  ])('keeps the old object when it refuses %s, and lets files be removed', async (_, refusesRename) => {
    await using server = await startOddSftpServer({ refusesRename })
    await using uploader = createSftpUploader(settingsOf(server))
    const folder = join(server.files, 'place')
    await mkdir(folder)
    await writeFile(join(folder, 'object'), bytes)
    await expect(uploader.upload('object', reopenable(bytes.subarray(1)))).rejects.toMatchObject({
      message: expect.stringContaining('rename') as string,
    })
    expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
    expect(await readdir(folder)).toEqual(['object'])
  })

  it('keeps the old object when its name is too long to set it aside, and says so', async () => {
    await using server = await startOddSftpServer()
    await using uploader = createSftpUploader(settingsOf(server))
    const key = 'x'.repeat(232)
    await uploader.upload(key, reopenable(bytes))
    await expect(uploader.upload(key, reopenable(bytes.subarray(1)))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect((await uploader.stat(key))?.size).toBe(bytes.length)
    await uploader.upload('y'.repeat(231), reopenable(bytes))
    await uploader.upload('y'.repeat(231), reopenable(bytes.subarray(1)))
    expect((await uploader.stat('y'.repeat(231)))?.size).toBe(bytes.length - 1)
  })

  /** As a run leaves it that is killed while it replaces `name`. */
  async function setAside(folder: string, name: string): Promise<string> {
    const aside = newAsideName(name) ?? ''
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, aside), bytes)
    return aside
  }

  it('gets back an old object that a killed run has set aside, with the first upload; one that was replaced goes', async () => {
    await using server = await startOddSftpServer()
    await using uploader = createSftpUploader(settingsOf(server))
    const folder = join(server.files, 'place')
    const aside = await setAside(join(folder, 'a'), 'lost')
    await setAside(join(folder, 'a'), 'replaced')
    await writeFile(join(folder, 'a', 'replaced'), 'new')
    const keys: string[] = []
    for await (const { key } of uploader.list('')) keys.push(key)
    expect(keys, 'what is aside is no object').toEqual(['a/replaced'])
    await expect(uploader.stat(`a/${aside}`)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await uploader.upload('other', reopenable(bytes))
    expect((await filesBelow(folder)).sort()).toEqual(['a/lost', 'a/replaced', 'other'])
    expect(bytes.equals(await readFile(join(folder, 'a', 'lost')))).toBe(true)
    expect(await readFile(join(folder, 'a', 'replaced'), 'utf8')).toBe('new')
  })

  it('never gets back an object that was removed', async () => {
    await using server = await startOddSftpServer()
    await using uploader = createSftpUploader(settingsOf(server))
    await setAside(join(server.files, 'place'), 'object')
    await uploader.remove('object')
    await uploader.upload('other', reopenable(bytes))
    expect(await filesBelow(join(server.files, 'place'))).toEqual(['other'])
  })

  it.each([
    ['Failure', 'most likely full'],
    ['Disk quota exceeded', 'full'],
  ])('whose quota is used up and that says %j is OUT_OF_SPACE, and leaves nothing', async (message, hint) => {
    await using server = await startOddSftpServer({ quota: { bytes: 500_000, message } })
    await using uploader = createSftpUploader(settingsOf(server))
    await expect(uploader.upload('a/object', reopenable(bytes))).rejects.toMatchObject({
      code: 'OUT_OF_SPACE',
      hint: expect.stringContaining(hint) as string,
    })
    expect(await readdir(join(server.files, 'place'))).toEqual([])
  })
})

describe('a password', () => {
  it.each(['password', 'keyboard-interactive'] as const)('lets in by the method %s', async (method) => {
    await using server = await startOddSftpServer({ login: { method, password: 'right' } })
    await using uploader = createSftpUploader(settingsOf(server))
    await uploader.upload('object', reopenable(bytes))
    await using wrong = createSftpUploader(settingsOf(server, { password: 'wr0ng' }))
    const error = await wrong.stat('object').catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'WRONG_CREDENTIALS', hint: expect.stringContaining('password') as string })
    expect(JSON.stringify([String(error), error])).not.toContain('wr0ng')
  })

  it('is not needed where questions are answered by a function', async () => {
    await using server = await startOddSftpServer({ login: { method: 'keyboard-interactive', password: 'right' } })
    const { password: _, ...settings } = settingsOf(server)
    const asked: string[] = []
    await using uploader = createSftpUploader({
      ...settings,
      agent: false,
      keyboardInteractive({ prompts }) {
        asked.push(...prompts.map(({ prompt }) => prompt))
        return ['right']
      },
    })
    await uploader.upload('object', reopenable(bytes))
    expect(asked).toEqual(['Password: '])
  })
})
