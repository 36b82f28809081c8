import type { Progress } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import { expect, test } from 'vitest'
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
