import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OperationOptions } from '@backup-planet/core'
import { collect, eventually } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { createSftpUploader, type SftpUploader } from '../src/index.ts'
import { newPartName } from '../src/part-name.ts'
import { startOddSftpServer } from './odd-sftp-server.ts'

const large = sampleBytes(9 * 1024 ** 2, 15)

type Work = (uploader: SftpUploader, options: OperationOptions) => Promise<unknown>
const upload: Work = (uploader, options) => uploader.upload('object', reopenable(large), options)

describe.concurrent('an abort while a server answers nothing any more', () => {
  it.each<[string, string, Work, number]>([
    ['upload that looks for its folder', 'STAT', upload, 1],
    ['upload that looks for a part', 'OPENDIR', upload, 6],
    ['upload that creates a part', 'OPEN', upload, 6],
    ['upload that asks what time it is', 'FSTAT', upload, 6],
    ['upload that puts a part in its place', 'RENAME', upload, 6],
    ['download that asks for the object', 'LSTAT', (uploader, options) => bytesOf(uploader.download('there', undefined, options)), 1],
    ['download that opens', 'OPEN', (uploader, options) => bytesOf(uploader.download('there', undefined, options)), 1],
    ['list', 'READDIR', (uploader, options) => collect(uploader.list('', options)), 1],
    ['removal', 'REMOVE', (uploader, options) => uploader.remove('there', options), 1],
    ['removal of abandoned parts', 'OPENDIR', (uploader, options) => uploader.removeAbandonedParts({ olderThanSeconds: 0 }, options), 1],
  ])('ends a(n) %s (%s)', { timeout: 15_000 }, async (_, request, work, withinSeconds) => {
    await using server = await startOddSftpServer({ stallsAt: (name) => name === request })
    const path = join(server.files, 'place')
    await mkdir(path)
    await writeFile(join(path, 'there'), 'there')
    const { host, port, fingerprint: hostKeyFingerprint } = server
    await using uploader = createSftpUploader({
      host,
      port,
      user: 'anybody',
      path,
      password: 'right',
      hostKeyFingerprint,
      keepaliveSeconds: 60,
    })
    const controller = new AbortController()
    const ended = work(uploader, { signal: controller.signal }).catch((error: unknown) => error)
    await eventually(() => server.stalled() > 0, 'the server has stalled')
    const begun = performance.now()
    controller.abort()
    expect(await ended).toMatchObject({ code: 'ABORTED' })
    expect((performance.now() - begun) / 1000).toBeLessThan(withinSeconds)
  })

  it('that only looks for what killed runs have left ends an upload with what it has stored', async () => {
    let isStored = false
    await using server = await startOddSftpServer({ stallsAt: (name) => name === 'OPENDIR' && !isStored })
    const path = join(server.files, 'place')
    await mkdir(path)
    await writeFile(join(path, newPartName('killed', undefined)), '')
    const { host, port, fingerprint: hostKeyFingerprint } = server
    await using uploader = createSftpUploader({ host, port, user: 'anybody', path, password: 'right', hostKeyFingerprint })
    const controller = new AbortController()
    const stored = uploader.upload('object', reopenable(large.subarray(0, 1000)), { signal: controller.signal })
    await eventually(async () => server.stalled() > 0 && (await readdir(path)).includes('object'), 'it waits for the look alone')
    controller.abort()
    expect(await stored).toMatchObject({ key: 'object', size: 1000 })
    isStored = true
    expect(await uploader.removeAbandonedParts({ olderThanSeconds: 0 })).toBe(1)
  })
})
