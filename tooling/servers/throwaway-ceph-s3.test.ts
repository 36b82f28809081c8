import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startThrowawayCephS3 } from './throwaway-ceph-s3.ts'

const answers = (endpoint: string) =>
  fetch(endpoint).then(
    ({ ok }) => ok,
    () => false,
  )

it('answers until it is stopped, for its own user only', async () => {
  const server = await startThrowawayCephS3({ buckets: ['first'] })
  try {
    expect(await answers(server.endpoint)).toBe(true)
    expect((await fetch(`${server.endpoint}/first`)).status).toBe(403)
    expect(await server.admin(['bucket', 'list'])).toContain('first')
  } finally {
    await server.stop()
  }
  expect(await answers(server.endpoint)).toBe(false)
})

it('dies with the process that started it, however that one ends', async () => {
  const starter = join(import.meta.dirname, 'throwaway-ceph-s3.ts')
  const script = `const { startThrowawayCephS3 } = await import(${JSON.stringify(starter)}); const { endpoint } = await startThrowawayCephS3(); console.log(endpoint); setInterval(() => undefined, 1000)`
  const before = await readdir(tmpdir())
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const endpoint = line.toString('utf8').trim()
  const [folder = ''] = (await readdir(tmpdir())).filter((name) => name.startsWith('bp-s3-') && !before.includes(name))
  expect(await answers(endpoint)).toBe(true)
  child.kill('SIGKILL')
  const deadline = Date.now() + 20_000
  while (
    await access(join(tmpdir(), folder)).then(
      () => true,
      () => false,
    )
  ) {
    expect(Date.now(), `${folder} must be removed`).toBeLessThan(deadline)
    await delay(50)
  }
  expect(await answers(endpoint)).toBe(false)
})
