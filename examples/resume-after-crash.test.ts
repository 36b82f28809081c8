import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bytesOf, sampleBytes } from '@backup-planet/core/testing'
import { startThrowawayCephS3 } from '@backup-planet/tooling/throwaway-ceph-s3'
import { startThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { createS3Uploader } from '@backup-planet/uploader-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const mebibyte = 1024 ** 2
const content = sampleBytes(48 * mebibyte, 31)

let directory: string
let file: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-crash-'))
  file = join(directory, 'shop.sql')
  await writeFile(file, content)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

/** What the second process sent again, in MiB, after the first one was killed half-way. */
async function sentAgain(environment: Readonly<Record<string, string>>): Promise<number> {
  const example = join(import.meta.dirname, 'resume-after-crash.ts')
  const env = { ...process.env, ...environment, JOURNAL_DIRECTORY: join(directory, 'journal') }
  const { stdout } = await run(process.execPath, ['--conditions=@backup-planet/source', example, file], { env })
  const said =
    /^killed by SIGKILL: ([\d.]+) MiB of 48\.0 MiB were sent, .*\nanother process sent the other ([\d.]+) MiB: ([\d.]+) MiB were sent again\n$/.exec(
      stdout,
    )
  expect(said, stdout).not.toBeNull()
  const [, first, second, again] = (said ?? []).map(Number)
  expect(first).toBeGreaterThanOrEqual(24)
  expect(second).toBeLessThan(40)
  return again ?? Number.NaN
}

test('an upload to S3 that was killed is gone on with: two parts are sent again at most', async () => {
  await using ceph = await startThrowawayCephS3({ buckets: ['backups'] })
  const again = await sentAgain({
    DESTINATION: `s3://backups/crash?endpoint=${ceph.endpoint}&profile=ceph`,
    AWS_ACCESS_KEY_ID: ceph.user.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ceph.user.secretAccessKey,
  })
  expect(again).toBeLessThanOrEqual(10.5)
  await using uploader = createS3Uploader({ bucket: 'backups', endpoint: ceph.endpoint, profile: 'ceph', credentials: ceph.user })
  expect(content.equals(await bytesOf(uploader.download('crash/shop.sql')))).toBe(true)
  expect(await readdir(join(directory, 'journal'))).toEqual([])
})

test('an upload to SFTP that was killed is gone on with: 8 MiB are sent again at most', async () => {
  await using server = await startThrowawaySshd()
  const again = await sentAgain({
    DESTINATION: `sftp://${server.user}@${server.host}:${server.port}${server.remotePath}`,
    SFTP_KEY_FILE: server.keyFile,
    SFTP_FINGERPRINT: await server.fingerprint(),
  })
  expect(again).toBeLessThanOrEqual(8.5)
  expect(content.equals(await readFile(join(server.files, 'shop.sql')))).toBe(true)
})
