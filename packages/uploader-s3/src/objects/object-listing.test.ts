import { collect } from '@backup-planet/core/conformance'
import { describe, expect, test } from 'vitest'
import { createMemoryS3, s3Failure } from '../__fixtures__/memory-s3.ts'
import { createS3Store } from '../client/s3-store.ts'
import { createS3Uploader } from '../index.ts'
import { listParts, listUnfinishedUploads } from '../multipart/unfinished-uploads.ts'
import { resolveS3Settings } from '../s3-settings.ts'
import { listObjects } from './object-listing.ts'

const refused = { code: 'UNSUPPORTED', message: expect.stringContaining('not where it begins') }

function storeThatAnswers(answers: readonly object[]) {
  const memory = createMemoryS3()
  let asked = 0
  memory.meet = () => {
    const answer = answers[asked++]
    if (answer === undefined) throw s3Failure('NotImplemented', 501)
    return answer
  }
  return createS3Store(resolveS3Settings({ bucket: 'bucket', profile: 'compatible', createClient: memory.createClient }))
}

describe('a list that the store says is not at its end', () => {
  test.each(['', undefined])('is refused when the next page is %j', async (marker) => {
    const objects = [{ Contents: [{ Key: 'a' }], KeyCount: 1, IsTruncated: true, NextContinuationToken: marker }]
    await expect(collect(listObjects(storeThatAnswers(objects), '', undefined))).rejects.toMatchObject(refused)
    const uploads = [{ IsTruncated: true, NextKeyMarker: marker }]
    await expect(collect(listUnfinishedUploads(storeThatAnswers(uploads), ''))).rejects.toMatchObject(refused)
    const parts = [{ IsTruncated: true, NextPartNumberMarker: marker }]
    await expect(listParts(storeThatAnswers(parts), 'key', 'id', undefined)).rejects.toMatchObject(refused)
  })

  test('is refused when the next page is the same', async () => {
    const objects = { KeyCount: 0, IsTruncated: true, NextContinuationToken: 'x' }
    await expect(collect(listObjects(storeThatAnswers([objects, objects]), '', undefined))).rejects.toMatchObject(refused)
    const uploads = { IsTruncated: true, NextKeyMarker: 'k', NextUploadIdMarker: 'i' }
    await expect(collect(listUnfinishedUploads(storeThatAnswers([uploads, uploads]), ''))).rejects.toMatchObject(refused)
    const parts = { IsTruncated: true, NextPartNumberMarker: '1' }
    await expect(listParts(storeThatAnswers([parts, parts]), 'key', 'id', undefined)).rejects.toMatchObject(refused)
  })

  test('goes on with another upload of the same key', async () => {
    const page = (id: string) => ({
      IsTruncated: id === '1',
      NextKeyMarker: 'k',
      NextUploadIdMarker: id,
      Uploads: [{ Key: 'k', UploadId: id, Initiated: new Date() }],
    })
    const found = await collect(listUnfinishedUploads(storeThatAnswers([page('0'), page('1'), page('2')].slice(1)), ''))
    expect(found.map(({ uploadId }) => uploadId)).toEqual(['1', '2'])
  })
})

test('the check of a store says when it lists no more than one page', async () => {
  const memory = createMemoryS3()
  const uploader = createS3Uploader({ bucket: 'bucket', profile: 'gcs', createClient: memory.createClient })
  memory.meet = ({ name, input, carryOut }) => {
    if (name === 'PutObject' && input.IfNoneMatch !== undefined) throw s3Failure('PreconditionFailed', 412)
    if (name !== 'ListObjectsV2' || input.MaxKeys !== 1) return undefined
    const { Contents } = carryOut() as { readonly Contents: readonly object[] }
    return { KeyCount: 1, IsTruncated: true, Contents: Contents.slice(0, 1) }
  }
  expect(await uploader.check()).toEqual([
    expect.objectContaining({ severity: 'error', code: 'UNSUPPORTED', message: expect.stringMatching(/^list: .*not where it begins/) }),
  ])
  expect(memory.objects.size).toBe(0)
})
