import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describeUploaderContract, type UploaderHarness } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { createSftpUploader, type SftpSettings, type SftpUploader } from '../src/index.ts'
import { type OddSftpServer, type OddSftpServerOptions, startOddSftpServer } from './odd-sftp-server.ts'
import { filesBelow } from './sftp-place.ts'

const bytes = sampleBytes(1_000_000, 4)

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
  })
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
