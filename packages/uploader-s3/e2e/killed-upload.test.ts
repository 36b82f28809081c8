import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { seededRandom, sweepOf } from '../../../proofs/sweep.ts'
import { createS3Uploader, type S3UploaderSettings } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'
import { testContent } from './test-content.ts'

const mebibyte = 1024 ** 2
const { count, seed } = sweepOf('S3_KILL', 3)
/** Of the first upload that is killed; 2048 for the proof in the large. */
const firstSize = Number(process.env.BACKUP_PLANET_S3_KILL_MEBIBYTES ?? 96) * mebibyte
const usualSize = 96 * mebibyte
const partBytes = 8 * mebibyte
/** Parts that are on their way when it is killed: with one at a time no more than one is sent twice. */
const concurrencies = [1, 4] as const

let ceph: CephPlace
let directory: string
beforeAll(async () => {
  ceph = await startCephPlace()
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-kill-'))
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const seen = {
  kills: 0,
  'most bytes of an object': firstSize,
  'parts sent again that the store had': 0,
  'most bytes sent twice, one part at a time': 0,
  'most bytes sent twice, four parts at once': 0,
  'bytes of a part': partBytes,
}
afterAll(() => recordEvidence(import.meta.url, seen))

it(`goes on after kill -9 and sends nothing again that the store has confirmed (seed ${seed})`, {
  timeout: 60_000 + count * 120_000 + firstSize / 5_000,
}, async () => {
  const random = seededRandom(seed)
  const file = join(directory, 'content')
  let content = testContent(firstSize, seed)
  await writeFile(file, content.bytes)
  for (let round = 0; round < count; round++) {
    if (round === 1 && firstSize !== usualSize) {
      content = testContent(usualSize, seed)
      await writeFile(file, content.bytes)
    }
    const { size } = content
    const concurrency = concurrencies[round % 2] ?? 1
    const killAfterBytes = Math.floor(random() * size)
    const confirmed = new Set<number>()
    const again: number[] = []
    let kill: (() => void) | undefined
    let received = 0
    let settingUp = true
    await using proxy = await startHttpFaultProxy({
      target: ceph.server.endpoint,
      onReceived({ query }, bytes) {
        if (!query.has('partNumber')) return
        received += bytes
        if (settingUp && received >= killAfterBytes) kill?.()
      },
      fault({ query, method }) {
        const part = Number(query.get('partNumber'))
        if (method === 'PUT' && part > 0 && confirmed.has(part)) again.push(part)
        return undefined
      },
      onAnswered({ query, method }, status) {
        const part = Number(query.get('partNumber'))
        if (method === 'PUT' && part > 0 && status === 200) confirmed.add(part)
      },
    })
    const settings = ceph.settings({
      endpoint: proxy.endpoint,
      partBytes,
      concurrency,
      memoryBytes: (concurrency + 1) * partBytes,
      journalDirectory: join(directory, `journals-${round}`),
    })
    const first = startUpload(settings, file)
    kill = () => first.child.kill('SIGKILL')
    expect(await first.ended).toBe('SIGKILL')
    settingUp = false
    // Invisible, whenever it was killed.
    await using reader = createS3Uploader(ceph.settings({ prefix: settings.prefix }))
    expect(await reader.stat('large')).toBeUndefined()
    const second = startUpload(settings, file)
    expect(await second.ended).toBe(0)
    const hash = createHash('sha256')
    for await (const chunk of reader.download('large')) hash.update(chunk)
    expect(hash.digest('hex')).toBe(content.sha256)
    expect(await ceph.everythingStored(settings)).toEqual(['large'])
    expect(await readdir(join(directory, `journals-${round}`))).toEqual([])
    expect(again).toEqual([])
    const twice = received - size
    expect(twice).toBeLessThanOrEqual(concurrency * partBytes)
    seen.kills++
    const figure = concurrency === 1 ? 'most bytes sent twice, one part at a time' : 'most bytes sent twice, four parts at once'
    seen[figure] = Math.max(seen[figure], twice)
    await reader.remove('large')
  }
})

function startUpload(settings: S3UploaderSettings, file: string) {
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'upload-until-killed.ts')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, UPLOAD_SETTINGS: JSON.stringify(settings), UPLOAD_FILE: file, UPLOAD_KEY: 'large' },
  })
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as string | number)
  return { child, ended }
}
