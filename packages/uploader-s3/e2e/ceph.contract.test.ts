import { describeUploaderContract } from '@backup-planet/core/conformance'
import { afterAll, beforeAll } from 'vitest'
import type { S3UploaderSettings } from '../src/s3-settings.ts'
import { createS3Uploader } from '../src/s3-uploader.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'

let ceph: CephPlace
beforeAll(async () => {
  ceph = await startCephPlace()
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
})

describeUploaderContract('the S3 uploader on a Ceph gateway', { makeUploader: async () => harness(ceph.settings()) })

function harness(settings: S3UploaderSettings) {
  const uploader = createS3Uploader(settings)
  const another = createS3Uploader(settings)
  return {
    uploader,
    another: () => another,
    everythingStored: () => ceph.everythingStored(settings),
    async dispose() {
      await uploader[Symbol.asyncDispose]()
      await another[Symbol.asyncDispose]()
    },
  }
}
