import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDirectoryUploader } from '../uploaders/directory-uploader.ts'
import { acquireLease } from './acquire-lease.ts'
import { leaseFolder } from './lease-objects.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lease-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const modules = ['./acquire-lease.ts', '../uploaders/directory-uploader.ts'].map((path) => new URL(path, import.meta.url).href)

const prelude = `
  const [leases, uploaders, directory] = process.argv.slice(1)
  const { acquireLease } = await import(leases)
  const { createDirectoryUploader } = await import(uploaders)
  const uploader = createDirectoryUploader({ directory: directory + '/store' })
`

/** Takes the lease ten times, and fails when another process is in the one place that it protects. */
const taker = `${prelude}
  const { open, rm } = await import('node:fs/promises')
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
  for (let taken = 0; taken < 10; ) {
    const lease = await acquireLease(uploader, { job: 'shop', staleSeconds: 6, waitSeconds: 20 }).catch(() => undefined)
    if (lease === undefined) continue
    const place = await open(directory + '/place', 'wx')
    await pause(5 + Math.random() * 10)
    await place.close()
    await rm(directory + '/place')
    await lease.release()
    taken++
    await pause(Math.random() * 20)
  }
`

const holder = `${prelude}
  const lease = await acquireLease(uploader, { job: 'shop' })
  process.stdout.write('held')
  setInterval(() => undefined, 1000)
`

function start(script: string): ChildProcess {
  return spawn(process.execPath, ['--conditions=@backup-planet/source', '--input-type=module', '-e', script, ...modules, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

test('of processes on one directory never two hold it', async () => {
  const children = [start(taker), start(taker), start(taker)]
  try {
    const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number))
    expect(codes).toEqual([0, 0, 0])
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
  expect(await readdir(join(directory, 'store', leaseFolder('shop'))).catch(() => [])).toEqual([])
}, 60_000)

test('of a process that was killed it is free at once', async () => {
  const child = start(holder)
  const uploader = createDirectoryUploader({ directory: join(directory, 'store') })
  try {
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    await expect(acquireLease(uploader, { job: 'shop' })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(`process ${child.pid} `) as string,
    })
  } finally {
    child.kill('SIGKILL')
  }
  await once(child, 'exit')
  await using lease = await acquireLease(uploader, { job: 'shop' })
  expect(lease.isHeld()).toBe(true)
})
