import { hostname } from 'node:os'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, test } from 'vitest'
import { emptyRepository, openUploader, password } from './__fixtures__/small-repository.ts'
import { openRepository } from './repository-access.ts'
import { lockRepository } from './repository-lock.ts'

test('a repository says who works on it, also when that cannot be read', async () => {
  const uploader = createMemoryUploader({ objects: await emptyRepository() })
  await using repository = openUploader(uploader)
  expect(await repository.locks()).toEqual([])
  const opened = await openRepository(uploader, password, {})
  await using _ = await lockRepository(opened, { exclusive: true }, {})
  expect(await repository.locks()).toEqual([
    expect.objectContaining({ exclusive: true, stale: false, hostname: hostname(), pid: process.pid }),
  ])
  await uploader.upload(`locks/${'0'.repeat(64)}`, {
    open: async function* () {
      yield Buffer.from('no lock')
    },
  })
  expect((await repository.locks()).find(({ time }) => time === '')).toEqual({
    time: '',
    exclusive: true,
    hostname: '',
    username: '',
    pid: 0,
    stale: false,
  })
})
