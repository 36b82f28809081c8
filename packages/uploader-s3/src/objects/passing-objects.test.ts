import { checkKeyPrefix, leaseKeyPrefix } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { createMemoryS3 } from '../__fixtures__/memory-s3.ts'
import { createS3Uploader } from '../index.ts'

const content = {
  size: 1,
  async *open() {
    yield Buffer.from('x')
  },
}

test('objects are locked, except what is there for moments only', async () => {
  const memory = createMemoryS3()
  const objectLock = { mode: 'GOVERNANCE', retainDays: 30, legalHold: true } as const
  await using uploader = createS3Uploader({ bucket: 'bucket', profile: 'compatible', createClient: memory.createClient, objectLock })
  const keys = ['shop/backup', `shop/${leaseKeyPrefix}x`, `${leaseKeyPrefix}shop/lease`, `${checkKeyPrefix}tried`]
  for (const key of keys) await uploader.upload(key, content)
  const locked = memory.calls
    .filter(({ name }) => name === 'PutObject')
    .map(({ input }) => 'ObjectLockMode' in input && 'ObjectLockLegalHoldStatus' in input)
  expect(locked).toEqual([true, true, false, false])
})
