import { BackupError, checkKeyPrefix, uploaderLayer } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, test } from 'vitest'
import { repositoryProblems } from './repository-probe.ts'

const denied = () =>
  Promise.reject(new BackupError('the disk is mounted read-only', { code: 'ACCESS_DENIED', hint: 'Mount it for writing.' }))

test('a place that works has no problem and keeps nothing', async () => {
  const memory = createMemoryUploader()
  expect(await repositoryProblems(memory)).toEqual([])
  expect(memory.calls).toMatchObject({ upload: 1, download: 1, remove: 1 })
  expect([...memory.objects.keys()]).toEqual([])
})

test('one that cannot be written is an error, and nothing else is tried', async () => {
  const memory = createMemoryUploader()
  expect(await repositoryProblems(uploaderLayer(memory, { upload: denied }))).toEqual([
    {
      severity: 'error',
      code: 'ACCESS_DENIED',
      message: `the repository ${memory.destination} cannot be written: the disk is mounted read-only`,
      hint: 'Mount it for writing.',
    },
  ])
  expect(memory.calls).toMatchObject({ download: 0, remove: 0 })
})

test('one that gives back other bytes is an error, and the object is removed all the same', async () => {
  const memory = createMemoryUploader()
  const lying = uploaderLayer(memory, {
    async *download() {
      yield Buffer.from('something else')
    },
  })
  expect(await repositoryProblems(lying)).toMatchObject([
    { severity: 'error', code: 'CORRUPTED', message: expect.stringContaining('cannot be read back') },
  ])
  expect([...memory.objects.keys()]).toEqual([])
})

test('one that keeps everything is warned of: backups can be made there', async () => {
  const memory = createMemoryUploader()
  expect(await repositoryProblems(uploaderLayer(memory, { remove: denied }))).toMatchObject([
    { severity: 'warning', code: 'ACCESS_DENIED' },
  ])
})

test('what a killed check left is removed once it is old, and never what is no probe', async () => {
  const memory = createMemoryUploader()
  for (const key of [`${checkKeyPrefix}old`, `${checkKeyPrefix}young`, 'shop/backup'])
    await memory.upload(key, { open: async function* () {} })
  const aged = uploaderLayer(memory, {
    async *list(prefix, options) {
      for await (const object of memory.list(prefix, options))
        yield object.key.endsWith('young') ? object : { ...object, modifiedAt: '2001-01-01T00:00:00Z' }
    },
  })
  expect(await repositoryProblems(aged)).toEqual([])
  expect([...memory.objects.keys()].sort()).toEqual([`${checkKeyPrefix}young`, 'shop/backup'])
})

test('an abort is thrown, and is no problem of the place', async () => {
  const controller = new AbortController()
  const memory = uploaderLayer(createMemoryUploader(), {
    upload() {
      controller.abort(new Error('stop'))
      return Promise.reject(new Error('socket closed'))
    },
  })
  await expect(repositoryProblems(memory, { signal: controller.signal })).rejects.toThrow('stop')
})

test('an uploader that checks its store by itself is asked, and what it finds is said of the repository', async () => {
  const memory = createMemoryUploader()
  const found = { severity: 'warning', code: 'UNSUPPORTED', message: 'multipart: not implemented', hint: 'Use another store.' } as const
  expect(await repositoryProblems(uploaderLayer(memory, { check: async () => [found] }))).toEqual([
    { ...found, message: `the repository ${memory.destination}: multipart: not implemented` },
  ])
  expect(await repositoryProblems(uploaderLayer(memory, { check: async () => [] }))).toEqual([])
  expect(memory.calls).toMatchObject({ upload: 0, download: 0 })
})

test('a check that breaks is an error of the place, and its abort is thrown', async () => {
  const memory = createMemoryUploader()
  expect(await repositoryProblems(uploaderLayer(memory, { check: denied }))).toMatchObject([
    { severity: 'error', code: 'ACCESS_DENIED', message: expect.stringContaining('cannot be checked: the disk') },
  ])
  const controller = new AbortController()
  const aborted = uploaderLayer(memory, {
    check() {
      controller.abort(new Error('stop'))
      return Promise.reject(new Error('socket closed'))
    },
  })
  await expect(repositoryProblems(aborted, { signal: controller.signal })).rejects.toThrow('stop')
})
