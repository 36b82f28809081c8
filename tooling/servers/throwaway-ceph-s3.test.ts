import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateMultipartUploadCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { expect, it, onTestFinished } from 'vitest'
import { startThrowawayCephS3 } from './throwaway-ceph-s3.ts'

/** Somebody else may have the port by the time, and say nothing. */
const answers = (endpoint: string) =>
  fetch(endpoint, { signal: AbortSignal.timeout(5000) }).then(
    ({ ok }) => ok,
    () => false,
  )

it('answers until it is stopped, for its own user only', async () => {
  const server = await startThrowawayCephS3({ buckets: ['first'] })
  try {
    expect(await answers(server.endpoint)).toBe(true)
    expect((await fetch(`${server.endpoint}/first`)).status).toBe(403)
    expect(await server.admin(['bucket', 'list'])).toContain('first')
    const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { ...server.user } })
    onTestFinished(() => client.destroy())
    await client.send(new PutObjectCommand({ Bucket: 'first', Key: 'whole', Body: 'x' }))
    await client.send(new CreateMultipartUploadCommand({ Bucket: 'first', Key: 'begun' }))
    expect(await server.stored('first')).toEqual(['whole', 'begun (unfinished)'])
  } finally {
    await server.stop()
  }
  expect(await answers(server.endpoint)).toBe(false)
})

it('dies with the process that started it, however that one ends', { timeout: 300_000 }, async () => {
  const starter = join(import.meta.dirname, 'throwaway-ceph-s3.ts')
  const script = `const { startThrowawayCephS3 } = await import(${JSON.stringify(starter)}); const { endpoint, directory } = await startThrowawayCephS3(); console.log(endpoint, directory); setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code]) => expect.unreachable(`the starter ended with ${code}`))
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer]
  ended.catch(() => undefined)
  const [endpoint = '', folder = ''] = line.toString('utf8').trim().split(' ')
  expect(await answers(endpoint)).toBe(true)
  child.kill('SIGKILL')
  const deadline = Date.now() + 20_000
  while (
    await access(folder).then(
      () => true,
      () => false,
    )
  ) {
    expect(Date.now(), `${folder} must be removed`).toBeLessThan(deadline)
    await delay(50)
  }
  expect(await answers(endpoint)).toBe(false)
})
