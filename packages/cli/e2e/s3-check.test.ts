import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { collect } from '@backup-planet/core/conformance'
import { startHttpFaultProxy } from '@backup-planet/tooling/http-fault-proxy'
import { type CephS3User, startThrowawayCephS3, type ThrowawayCephS3 } from '@backup-planet/tooling/throwaway-ceph-s3'
import { createS3Uploader } from '@backup-planet/uploader-s3'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { commandLineOf } from '../src/__fixtures__/command-line-run.ts'

let ceph: ThrowawayCephS3
beforeAll(async () => {
  ceph = await startThrowawayCephS3({ buckets: ['backups'] })
})
afterAll(() => ceph?.stop())

interface Place {
  readonly bucket?: string
  readonly endpoint?: string
  readonly user?: CephS3User
}

/** A job that stores in a bucket first, and in a directory as well. */
async function jobOn({ bucket = 'backups', endpoint = ceph.endpoint, user = ceph.user }: Place) {
  const here = await commandLineOf(`repositories:
  offsite:
    kind: archive
    destination: "s3://${bucket}/offsite?endpoint=${endpoint}&profile=ceph"
    uploader:
      settings: { credentials: { accessKeyId: "${user.accessKeyId}", secretAccessKey: "\${env:S3_SECRET}" } }
  local: { kind: archive, destination: ./backups }
jobs:
  shop: { agent: sample, repository: offsite, mirrors: [local], settings: { host: sample, password: x } }
staging: { directory: ./staging }
`)
  onTestFinished(() => here[Symbol.asyncDispose]())
  const environment = { S3_SECRET: user.secretAccessKey, HOME: here.directory, XDG_STATE_HOME: here.directory, LANG: 'C', NO_COLOR: '1' }
  return { ...here, check: (...more: readonly string[]) => here.run(['check', ...more], { environment }) }
}

test('check tries a real store and a directory for all that is asked of them, and leaves nothing in either', async () => {
  const job = await jobOn({})
  expect(await job.check()).toMatchObject({ code: 0, stdout: 'job shop: nothing stands against a backup\n' })
  expect(await job.check('--json')).toMatchObject({ code: 0, lines: [{ type: 'result', command: 'check', job: 'shop', problems: [] }] })
  await using uploader = createS3Uploader({ bucket: 'backups', endpoint: ceph.endpoint, profile: 'ceph', credentials: ceph.user })
  expect(await collect(uploader.list(''))).toEqual([])
  expect(await readdir(join(job.directory, 'backups'))).toEqual([])
})

test('check says what a store does not support, in text and in JSON', async () => {
  await using proxy = await startHttpFaultProxy({
    target: ceph.endpoint,
    fault: ({ query }) => (query.has('uploads') ? { kind: 'answer', status: 501, code: 'NotImplemented' } : undefined),
  })
  const job = await jobOn({ endpoint: proxy.endpoint })
  const { code, stdout } = await job.check()
  expect(stdout).toMatch(
    /^job shop: 2 problems\nerror: UNSUPPORTED\n {2}the repository s3:.*: multipart: .* cannot be stored\n {2}hint: .+\nwarning: UNSUPPORTED\n.*: list of unfinished uploads: /,
  )
  expect(code).toBe(1)
  expect((await job.check('--json')).lines).toMatchObject([
    {
      job: 'shop',
      problems: [
        { severity: 'error', code: 'UNSUPPORTED', message: expect.stringContaining('multipart'), hint: expect.stringMatching(/[.]$/) },
        { severity: 'warning', code: 'UNSUPPORTED', message: expect.stringContaining('list of unfinished uploads') },
      ],
    },
  ])
})

test('check fails once, with code and hint, for a bucket that cannot be written, and for one that is not there', async () => {
  const reader = await ceph.addUser('reader')
  await ceph.createBucket('readable', { user: reader })
  await ceph.admin(['user', 'modify', '--uid=reader', '--op-mask=read'])
  for (const { place, code, hint } of [
    { place: { bucket: 'readable', user: reader }, code: 'ACCESS_DENIED', hint: /write/ },
    { place: { bucket: 'missing' }, code: 'NOT_FOUND', hint: /Create the bucket missing/ },
    { place: { user: { ...ceph.user, secretAccessKey: 'another' } }, code: 'WRONG_CREDENTIALS', hint: /secret key/ },
  ]) {
    const job = await jobOn(place)
    const checked = await job.check('--json')
    expect(checked.lines).toMatchObject([{ problems: [{ severity: 'error', code, hint: expect.stringMatching(hint) }] }])
    expect(checked.code).toBe(1)
    expect((await job.check()).stdout).toMatch(new RegExp(`^job shop: 1 problem\nerror: ${code}\n .*nothing can be stored\n .*hint: `))
  }
})

test('check warns of a directory as a mirror that cannot be written', async () => {
  const job = await jobOn({})
  await mkdir(join(job.directory, 'backups'))
  // Root may write everywhere, but not below a file.
  await writeFile(join(job.directory, 'backups/.backup-planet-check'), '')
  const { code, lines } = await job.check('--json')
  expect(lines).toMatchObject([
    { problems: [{ severity: 'warning', code: 'CONFLICT', message: expect.stringContaining('cannot be written') }] },
  ])
  expect(code).toBe(0)
})
