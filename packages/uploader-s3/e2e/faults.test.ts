import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackupError, type Reopenable, withRetry } from '@backup-planet/core'
import { bytesOf } from '@backup-planet/core/testing'
import { type HttpFault, startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { startTcpFaultProxy, tcpFaultOf } from '@backup-planet/tooling/tcp-fault-proxy'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from '../../../proofs/evidence.ts'
import { seededRandom, sweepOf } from '../../../proofs/sweep.ts'
import { createS3Uploader } from '../src/index.ts'
import { type CephPlace, startCephPlace } from './ceph-place.ts'
import { type TestContent, testContent, unannounced } from './test-content.ts'

const mebibyte = 1024 ** 2
const { count, seed } = sweepOf('S3_FAULTS', 4)

let ceph: CephPlace
let directory: string
beforeAll(async () => {
  ceph = await startCephPlace()
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-faults-'))
})
afterAll(async () => {
  await ceph?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const seen = {
  runs: 0,
  'requests and answers broken': 0,
  'connections broken or slowed': 0,
  'operations that failed': 0,
  'operations that succeeded': 0,
}
afterAll(() => recordEvidence(import.meta.url, seen))

/** One of each kind, at a place that chance decides. */
function faultBy(random: () => number): HttpFault {
  const at = (most: number): number => Math.floor(random() * most)
  const kinds: readonly (() => HttpFault)[] = [
    () => ({ kind: 'answer', status: 503, code: 'SlowDown', retryAfterSeconds: 1 }),
    () => ({ kind: 'answer', status: 500, code: 'InternalError' }),
    () => ({ kind: 'refuse', status: 403, code: 'AccessDenied' }),
    () => ({ kind: 'refuse', status: 503, code: 'SlowDown' }),
    () => ({ kind: 'cut-request', afterBytes: at(6 * mebibyte) }),
    () => ({ kind: 'stall-request', afterBytes: at(6 * mebibyte) }),
    () => ({ kind: 'flip-request', atByte: at(5 * mebibyte) }),
    () => ({ kind: 'lose-answer' }),
    () => ({ kind: 'replace-answer', status: 500, code: 'InternalError' }),
    () => ({ kind: 'cut-answer', afterBytes: at(2 * mebibyte) }),
    () => ({ kind: 'stall-answer', afterBytes: at(2 * mebibyte) }),
  ]
  return kinds[at(kinds.length)]?.() ?? { kind: 'lose-answer' }
}

it(`loses nothing, shows nothing half, and leaves nothing after the next run, whatever the network does (seed ${seed})`, {
  timeout: 60_000 + count * 120_000,
}, async () => {
  for (let run = 0; run < count; run++) await faultyRun(seed + run)
})

/** The old content, then a replacement of it over a network that breaks, then a look at what is there, then another run. */
async function faultyRun(runSeed: number): Promise<void> {
  const random = seededRandom(runSeed)
  const share = 0.05 + random() * 0.25
  let left = 0
  await using proxy = await startHttpFaultProxy({
    target: ceph.server.endpoint,
    fault: () => (left > 0 && random() < share && left-- > 0 ? faultBy(random) : undefined),
  })
  await using network = await startTcpFaultProxy({ port: Number(new URL(proxy.endpoint).port) })
  const journalDirectory = join(directory, String(runSeed))
  const settings = ceph.settings({
    endpoint: `http://${network.host}:${network.port}`,
    partBytes: 5 * mebibyte,
    memoryBytes: 15 * mebibyte,
    silenceMilliseconds: 1000,
    ...(random() < 0.7 ? { journalDirectory } : {}),
  })
  const sizes = { little: 3000, single: 2 * mebibyte, parts: 40 * mebibyte + 77, stream: 12 * mebibyte + 5 }
  const contents = Object.entries(sizes).map(([key, size], index) => {
    const make = (version: number): TestContent => testContent(size + version, runSeed * 100 + index * 10 + version)
    return {
      key,
      old: make(1),
      new: make(2),
      given: (content: TestContent): Reopenable => (key === 'stream' ? unannounced(content) : content),
    }
  })
  const exact = createS3Uploader({ ...settings, endpoint: ceph.server.endpoint, journalDirectory: undefined, silenceMilliseconds: 60_000 })
  const replaced = contents.filter(() => random() < 0.5)
  for (const content of replaced) await exact.upload(content.key, content.given(content.old))

  left = 12
  network.plan(Array.from({ length: 4 }, () => tcpFaultOf(random, 8 * mebibyte)))
  const first = createS3Uploader(settings)
  const uploader = withRetry(first, { attempts: 3, firstDelayMs: 20, random })
  const failed = new Set<string>()
  for (const content of contents) {
    const outcome = await uploader.upload(content.key, content.given(content.new)).then(
      ({ size }) => size,
      (error: unknown) => error,
    )
    const found = await exact.stat(content.key)
    const bytes = found === undefined ? undefined : await bytesOf(exact.download(content.key))
    const isNew = bytes?.equals(content.new.bytes) === true
    if (outcome === content.new.size) expect({ runSeed, key: content.key, isNew }).toEqual({ runSeed, key: content.key, isNew: true })
    else {
      expectNamed(outcome, runSeed)
      failed.add(content.key)
      // What was there, or all of the new one where only its answer was lost.
      const old = replaced.includes(content) ? content.old.bytes : undefined
      expect({ runSeed, whole: isNew || (old === undefined ? bytes === undefined : bytes?.equals(old)) }).toEqual({ runSeed, whole: true })
    }
    if (isNew) {
      const read = await bytesOf(uploader.download(content.key)).catch((error: unknown) => error)
      if (Buffer.isBuffer(read)) expect(read.equals(content.new.bytes)).toBe(true)
      else expectNamed(read, runSeed)
    }
    seen[outcome === content.new.size ? 'operations that succeeded' : 'operations that failed']++
  }
  await first[Symbol.asyncDispose]()

  left = 0
  network.plan([])
  await using next = createS3Uploader(settings)
  for (const content of contents) if (failed.has(content.key)) await next.upload(content.key, content.given(content.new))
  for (const content of contents) expect((await bytesOf(exact.download(content.key))).equals(content.new.bytes)).toBe(true)
  expect({ runSeed, stored: await ceph.everythingStored(settings) }).toEqual({ runSeed, stored: contents.map(({ key }) => key).sort() })
  expect(await readdir(journalDirectory).catch(() => [])).toEqual([])
  await exact.removeAll(contents.map(({ key }) => key))
  await exact[Symbol.asyncDispose]()
  seen.runs++
  seen['requests and answers broken'] += proxy.requests.filter(({ fault }) => fault !== undefined).length
  seen['connections broken or slowed'] += network.faultsMet
}

function expectNamed(error: unknown, runSeed: number): void {
  if (!BackupError.is(error)) throw new Error(`run ${runSeed} failed with another error`, { cause: error })
  expect(['ACCESS_DENIED', 'UNREACHABLE', 'TIMED_OUT', 'OVERLOADED', 'CORRUPTED', 'CONFLICT']).toContain(error.code)
  expect(error.hint).toMatch(/\.$/)
}
