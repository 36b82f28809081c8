import type { Progress } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import { expect, test } from 'vitest'
import { emptyRepository, openObjects, storeContents } from '../__fixtures__/small-repository.ts'
import { createRawRepository } from './__fixtures__/raw-snapshot.ts'

test('every snapshot is listed, oldest first, whatever the zone of its time, with the backup in it where it is ours', async () => {
  const { repository, snapshot } = await createRawRepository()
  const tags = ['id=20260101-1', 'job=a%2Cb', 'kind=full', 'application=memory']
  const later = await snapshot([], { time: '2026-01-01T10:00:00.000000002+02:00', tags })
  const earlier = await snapshot([], { time: '2026-01-01T09:00:00.5+02:00', tags: ['nightly'] })
  expect(await collect(repository.snapshots())).toEqual([
    {
      id: earlier,
      time: '2026-01-01T09:00:00.5+02:00',
      hostname: 'host',
      username: 'root',
      paths: ['/data'],
      tags: ['nightly'],
    },
    {
      id: later,
      time: '2026-01-01T10:00:00.000000002+02:00',
      hostname: 'host',
      username: 'root',
      paths: ['/data'],
      tags,
      backup: '20260101-1',
    },
  ])
})

test('a damaged record is told as a problem, and the others are listed', async () => {
  const { repository, snapshot, uploader } = await createRawRepository()
  const whole = await snapshot([], { time: '2026-01-01T00:00:00Z' })
  const hit = await snapshot([], { time: '2026-01-02T00:00:00Z' })
  const object = uploader.objects.get(`snapshots/${hit}`)
  if (object === undefined) throw new TypeError('the snapshot is not there')
  uploader.objects.set(`snapshots/${hit}`, { ...object, bytes: object.bytes.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) })
  const told: Progress[] = []
  const listed = await collect(repository.snapshots({ onProgress: (progress) => told.push(progress) }))
  expect(listed.map(({ id }) => id)).toEqual([whole])
  expect(told).toMatchObject([{ type: 'problem', problem: { code: 'CORRUPTED', message: expect.stringContaining(hit) } }])
  await expect(collect(repository.entries(hit))).rejects.toMatchObject({ code: 'CORRUPTED' })
})

test('a snapshot is found by the beginning of its id, when there is one such', async () => {
  const { repository, snapshot } = await createRawRepository()
  const ids: string[] = []
  for (let at = 0; at < 17; at++) ids.push(await snapshot([{ name: `file ${at}`, bytes: Buffer.from([at]) }]))
  expect((await collect(repository.entries(ids[3]?.slice(0, 16) ?? ''))).map(({ path }) => path)).toEqual(['/file 3'])
  const first = ids.map(([digit]) => digit)
  const twice = first.find((digit, at) => first.indexOf(digit) !== at) ?? ''
  await expect(collect(repository.entries(twice))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  for (const none of ['', 'latest', 'f'.repeat(64), '../config', (ids[0] ?? '').toUpperCase()])
    await expect(collect(repository.entries(none))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('who has read the index finds everything after a prune that moved it to other packs', async () => {
  const { repository, snapshot, uploader } = await createRawRepository()
  const backup = await storeContents(openObjects(await emptyRepository()), '20260101-1', { shop: {} })
  const manifest = Buffer.from(JSON.stringify({ ...backup, storage: { format: 'restic/2' } }))
  const nodes = [
    { name: 'folder', nodes: [{ name: 'file', bytes: Buffer.from('content') }] },
    { name: 'manifest.json', bytes: manifest },
  ]
  const tags = ['id=20260101-1', `job=${backup.job}`, 'kind=full', 'application=memory']
  const store = () => snapshot(nodes, { tags })
  const pruned = (key: string) => key.startsWith('data/') || key.startsWith('index/')
  const id = await store()
  const look = [
    async () => (await collect(repository.entries(id))).map(({ path }) => path),
    async () => (await collect(repository.list())).map((listed) => listed.id),
  ] as const
  for (const whatIsThere of look) {
    const before = await whatIsThere()
    expect(before.length).toBeGreaterThan(0)
    const old = [...uploader.objects.keys()].filter(pruned)
    // Another pack of the same blobs, in another index; the old ones go.
    await store()
    for (const key of old) uploader.objects.delete(key)
    expect(await whatIsThere()).toEqual(before)
  }
})
