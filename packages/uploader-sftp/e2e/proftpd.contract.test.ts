import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeUploaderContract } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startThrowawayProftpd, type ThrowawayProftpd } from '@backup-planet/tooling/throwaway-proftpd'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { identityOf, newPartName } from '../src/part-name.ts'
import { sftpPlace } from './sftp-place.ts'

let server: ThrowawayProftpd
beforeAll(async () => {
  server = await startThrowawayProftpd()
})
afterAll(() => server?.stop())

describeUploaderContract('sftp uploader at ProFTPD', { makeUploader: () => sftpPlace(server) })

it('an upload at ProFTPD goes on with what an earlier one has left, and replaces in one step', async () => {
  const place = await sftpPlace(server)
  onTestFinished(() => place.dispose?.())
  const bytes = sampleBytes(16 * 1024 ** 2, 15)
  const content = reopenable(bytes)
  await place.uploader.upload('object', reopenable(bytes.subarray(0, 1000)))
  expect(place.uploader.supports.atomicReplace).toBe(true)
  const part = join(place.folder, newPartName('object', identityOf('object', content)))
  await writeFile(part, bytes.subarray(0, 12 * 1024 ** 2))
  const { ino } = await stat(part)
  await place.uploader.upload('object', content)
  expect((await stat(join(place.folder, 'object'))).ino, 'the part has become the object').toBe(ino)
  expect(bytes.equals(await bytesOf(place.uploader.download('object')))).toBe(true)
  expect(await place.everythingStored?.()).toEqual(['object'])
})

it('a quota of ProFTPD that is used up is OUT_OF_SPACE, and nothing is left', async () => {
  await using small = await startThrowawayProftpd({ quotaBytes: 1_000_000 })
  const place = await sftpPlace(small)
  onTestFinished(() => place.dispose?.())
  const bytes = sampleBytes(900_000, 14)
  await place.uploader.upload('object', reopenable(bytes))
  expect(bytes.equals(await bytesOf(place.uploader.download('object')))).toBe(true)
  await expect(place.uploader.upload('a/another', reopenable(bytes))).rejects.toMatchObject({
    code: 'OUT_OF_SPACE',
    hint: expect.stringContaining('quota') as string,
  })
  expect(await place.everythingStored?.()).toEqual(['object'])
})
