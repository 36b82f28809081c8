import { join } from 'node:path'
import { BackupError, withRetry } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import { bytesOf, reopenable, sampleBytes } from '@backup-planet/core/testing'
import { startTcpFaultProxy, type TcpFaultProxy, tcpFaultOf } from '@backup-planet/tooling/tcp-fault-proxy'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSftpUploader, type SftpSettings } from '../src/index.ts'
import { filesBelow, settingsFor } from './sftp-place.ts'

const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_SFTP_FAULTS ?? 4),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 60_000 + runs.numRuns * 30_000
const mebibyte = 1024 ** 2

const contents = {
  'packs/large': sampleBytes(10 * mebibyte, 31),
  'packs/middle': sampleBytes(mebibyte, 32),
  'index/small': sampleBytes(5000, 33),
}

/** What lies there before, and is replaced. */
const old = { 'packs/middle': sampleBytes(mebibyte / 2, 34), 'index/small': sampleBytes(4000, 35) }

let server: ThrowawaySshd
let proxy: TcpFaultProxy
beforeAll(async () => {
  server = await startThrowawaySshd()
  proxy = await startTcpFaultProxy(server)
})
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})

let places = 0

it(
  'keeps what was said to be stored, and whole old or new objects where it was not, and the next run leaves no part, with networks broken in one to four connections',
  async () => {
    const fault = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 4, maxLength: 4 }).map((numbers) => {
      const left = [...numbers]
      return tcpFaultOf(() => left.shift() ?? 0, 12 * mebibyte)
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 4 }), async (faults) => {
        const name = `faults-${++places}`
        const direct = settingsFor(server, { path: `${server.remotePath}/${name}` })
        const through: SftpSettings = {
          ...direct,
          port: proxy.port,
          hostKeyFingerprint: await server.fingerprint(),
          connectTimeoutSeconds: 2,
          keepaliveSeconds: 1,
          connections: 1,
        }
        const stored = new Set<string>()
        {
          await using before = createSftpUploader(direct)
          for (const [key, bytes] of Object.entries(old)) await before.upload(key, reopenable(bytes))
        }
        {
          await using uploader = createSftpUploader(through)
          const retried = withRetry(uploader, { attempts: 3, firstDelayMs: 1, longestDelayMs: 20 })
          proxy.plan(faults)
          for (const [key, bytes] of Object.entries(contents)) {
            try {
              await retried.upload(key, reopenable(bytes))
              stored.add(key)
              expect(bytes.equals(await bytesOf(retried.download(key)))).toBe(true)
            } catch (error) {
              expect(BackupError.is(error) && ['UNREACHABLE', 'TIMED_OUT'].includes(error.code), String(error)).toBe(true)
            }
          }
          proxy.plan([])
        }
        await using next = createSftpUploader(direct)
        const found = new Set<string>()
        for (const { key, size } of await collect(next.list(''))) {
          found.add(key)
          const bytes = await bytesOf(next.download(key))
          expect(size).toBe(bytes.length)
          const isNew = bytes.equals(contents[key as keyof typeof contents])
          expect(isNew || old[key as keyof typeof old]?.equals(bytes), `${key} is the old object or the new one, whole`).toBe(true)
          if (isNew) stored.delete(key)
        }
        expect([...stored], 'what was said to be stored').toEqual([])
        for (const key of Object.keys(old)) expect(found, 'what was there before').toContain(key)
        for (const [key, bytes] of Object.entries(contents)) await next.upload(key, reopenable(bytes))
        await next.removeAbandonedParts({ olderThanSeconds: 0 })
        expect((await filesBelow(join(server.files, name))).sort()).toEqual(Object.keys(contents).sort())
      }),
      { ...runs, endOnFailure: true },
    )
  },
  patience,
)
