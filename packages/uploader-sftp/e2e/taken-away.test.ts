import { mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Reopenable, withRetry } from '@backup-planet/core'
import { eventually } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { createSftpUploader, type SftpSettings, type SftpUploader } from '../src/index.ts'
import { identityOf, newPartName } from '../src/part-name.ts'
import { filesBelow, settingsFor } from './sftp-place.ts'

const mebibyte = 1024 ** 2
const bytes = sampleBytes(16 * mebibyte, 12)

let server: ThrowawaySshd
beforeAll(async () => {
  server = await startThrowawaySshd()
})
afterAll(() => server.stop())

/** Content that is given up to `size` and goes on when it is told to; read again it is given at once. */
function paused(size: number): Reopenable & { readonly goOn: () => void; readonly reached: Promise<void> } {
  const gate = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  let isFirst = true
  return {
    ...reopenable(bytes),
    async *open() {
      if (!isFirst) return yield bytes
      isFirst = false
      yield bytes.subarray(0, size)
      reached.resolve()
      await gate.promise
      if (size < bytes.length) yield bytes.subarray(size)
    },
    goOn: () => gate.resolve(),
    reached: reached.promise,
  }
}

function uploaderAt(name: string, more: Partial<SftpSettings> = {}): SftpUploader {
  const uploader = createSftpUploader(settingsFor(server, { path: `${server.remotePath}/${name}`, ...more }))
  onTestFinished(() => uploader[Symbol.asyncDispose]())
  return uploader
}

async function sizeOfPart(name: string): Promise<number> {
  const [part = ''] = (await readdir(join(server.files, name)).catch(() => [])).filter((entry) => entry.endsWith('.part'))
  return part === '' ? 0 : (await readFile(join(server.files, name, part))).length
}

const conflict = {
  code: 'CONFLICT',
  retryable: true,
  message: expect.stringContaining('another run stores the same object') as string,
  hint: expect.stringContaining('Nothing is lost') as string,
}

it('an upload whose part another run went on with says so, and harms nothing', async () => {
  const [slow, fast] = [uploaderAt('renamed'), uploaderAt('renamed')]
  const content = paused(12 * mebibyte)
  const upload = slow.upload('object', content).catch((error: unknown) => error)
  await content.reached
  await eventually(async () => (await sizeOfPart('renamed')) > 11 * mebibyte, 'what was given is written')
  await fast.upload('object', reopenable(bytes))
  content.goOn()
  expect(await upload).toMatchObject(conflict)
  expect(bytes.equals(await bytesOf(slow.download('object')))).toBe(true)
  expect(await filesBelow(join(server.files, 'renamed'))).toEqual(['object'])
})

it('an upload that reads back what the other run has only begun with says the same, not that the server is damaged', async () => {
  const [slow, fast] = [uploaderAt('shortened', { verify: 'readback' }), uploaderAt('shortened')]
  const [mine, others] = [paused(bytes.length), paused(mebibyte)]
  const upload = slow.upload('object', mine).catch((error: unknown) => error)
  await mine.reached
  await eventually(async () => (await sizeOfPart('shortened')) > bytes.length - mebibyte, 'nearly everything is written')
  const other = fast.upload('object', others)
  await others.reached
  mine.goOn()
  expect(await upload).toMatchObject(conflict)
  others.goOn()
  expect((await other).size).toBe(bytes.length)
  expect(bytes.equals(await bytesOf(slow.download('object')))).toBe(true)
  expect(await filesBelow(join(server.files, 'shortened'))).toEqual(['object'])
})

it('such an upload is tried again, and stored, where retries are', async () => {
  const [slow, fast] = [uploaderAt('retried'), uploaderAt('retried')]
  const content = paused(12 * mebibyte)
  const failures: unknown[] = []
  const upload = withRetry(slow, { firstDelayMs: 1, onRetry: ({ error }) => failures.push(error) }).upload('object', content)
  await content.reached
  await eventually(async () => (await sizeOfPart('retried')) > 11 * mebibyte, 'what was given is written')
  await fast.upload('object', reopenable(bytes))
  content.goOn()
  expect((await upload).size).toBe(bytes.length)
  expect(failures).toEqual([expect.objectContaining({ code: 'CONFLICT' })])
  expect(bytes.equals(await readFile(join(server.files, 'retried', 'object')))).toBe(true)
  expect(await filesBelow(join(server.files, 'retried'))).toEqual(['object'])
})

it('an upload whose part is gone, and that nobody else stores, says that the server removed it', async () => {
  await uploaderAt('removed').upload('object', reopenable(sampleBytes(bytes.length, 1)))
  const folder = join(server.files, 'removed')
  const content = paused(12 * mebibyte)
  const upload = uploaderAt('removed')
    .upload('object', content)
    .catch((error: unknown) => error)
  await content.reached
  for (const name of await readdir(folder)) if (name !== 'object') await rm(join(folder, name))
  await utimes(join(folder, 'object'), 0, 0)
  content.goOn()
  expect(await upload).toMatchObject({ code: 'OUT_OF_SPACE', retryable: false, hint: expect.stringContaining('quota') as string })
  expect(await readdir(folder), 'the old one stays').toEqual(['object'])
})

it('what was taken over and has got a hole since is not stored, and stored when it is tried again', async () => {
  const folder = join(server.files, 'hole')
  await mkdir(folder)
  const content = paused(14 * mebibyte)
  await writeFile(join(folder, newPartName('object', identityOf('object', content))), bytes.subarray(0, 12 * mebibyte))
  const uploader = uploaderAt('hole')
  const upload = uploader.upload('object', content).catch((error: unknown) => error)
  await content.reached
  await eventually(async () => (await sizeOfPart('hole')) > 13 * mebibyte, 'what was given is written')
  const [part = ''] = await readdir(folder)
  await truncate(join(folder, part), mebibyte)
  content.goOn()
  expect(await upload).toMatchObject({ code: 'CORRUPTED', retryable: true })
  expect(await readdir(folder)).toEqual([])
  await uploader.upload('object', content)
  expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
})

it('a part that is longer than the content is gone on with by nobody, and goes', async () => {
  const folder = join(server.files, 'longer')
  await mkdir(folder)
  const content = reopenable(bytes)
  await writeFile(join(folder, newPartName('object', identityOf('object', content))), Buffer.concat([bytes, Buffer.from('more')]))
  await uploaderAt('longer').upload('object', content)
  expect(bytes.equals(await readFile(join(folder, 'object')))).toBe(true)
  expect(await readdir(folder)).toEqual(['object'])
})
