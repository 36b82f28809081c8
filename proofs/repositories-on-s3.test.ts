import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { backUp, createStreamStaging, type Repository, type Uploader } from '@backup-planet/core'
import { describeRepositoryContract } from '@backup-planet/core/conformance'
import { createMemoryAgent } from '@backup-planet/core/testing'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { createResticRepository } from '@backup-planet/repository-restic'
import { cheapResticPassword } from '@backup-planet/tooling/cheap-restic-repository'
import { startThrowawayCephS3, type ThrowawayCephS3 } from '@backup-planet/tooling/throwaway-ceph-s3'
import { createS3Uploader } from '@backup-planet/uploader-s3'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { placeCheapRepository } from './cheap-repository.ts'
import { damageObjects } from './damaged-objects.ts'

const bucket = 'repositories'
const password = 'correct horse'

let ceph: ThrowawayCephS3
const opened: Uploader[] = []
beforeAll(async () => {
  ceph = await startThrowawayCephS3({ buckets: [bucket] })
})
afterAll(async () => {
  for (const uploader of opened) await uploader[Symbol.asyncDispose]()
  await ceph?.[Symbol.asyncDispose]()
})

function newPrefix(): string {
  return `repository/${randomBytes(6).toString('hex')}`
}

function uploaderAt(prefix: string): Uploader {
  const uploader = createS3Uploader({ bucket, prefix, endpoint: ceph.endpoint, profile: 'ceph', credentials: ceph.user })
  opened.push(uploader)
  return uploader
}

describeRepositoryContract('the restic repository on a Ceph gateway', {
  async makeRepository() {
    const prefix = newPrefix()
    const open = () => createResticRepository({ uploader: uploaderAt(prefix), password: cheapResticPassword, cacheDirectory: false })
    await placeCheapRepository(uploaderAt(prefix))
    return {
      repository: open(),
      another: open,
      corruptSomething: () => damageObjects(uploaderAt(prefix), (key) => key.startsWith('data/')),
    }
  },
})

describeRepositoryContract('the archive repository on a Ceph gateway', {
  async makeRepository() {
    const prefix = newPrefix()
    const open = () => createArchiveRepository({ uploader: uploaderAt(prefix) })
    return {
      repository: open(),
      another: open,
      corruptSomething: () => damageObjects(uploaderAt(prefix), (key) => /\.tar\.zst$/.test(key)),
    }
  },
})

it('restic itself checks, lists and restores what was stored through S3', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bp-restic-s3-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const prefix = newPrefix()
  const content = randomBytes(20_000_000)
  await using agent = createMemoryAgent({ items: { shop: content } })
  const repository: Repository & { initialize(): Promise<unknown> } = createResticRepository({
    uploader: uploaderAt(prefix),
    password,
    cacheDirectory: false,
  })
  await repository.initialize()
  const { backup } = await backUp({ agent, repository, staging: createStreamStaging(), request: { job: 'shop', kind: 'full' } })
  await repository[Symbol.asyncDispose]()
  expect(backup.status).toBe('complete')

  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  const restic = async (...resticArguments: readonly string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('restic', ['--no-cache', ...resticArguments], {
      env: {
        PATH: process.env.PATH,
        RESTIC_REPOSITORY: `s3:${ceph.endpoint}/${bucket}/${prefix}`,
        RESTIC_PASSWORD_FILE: passwordFile,
        AWS_ACCESS_KEY_ID: ceph.user.accessKeyId,
        AWS_SECRET_ACCESS_KEY: ceph.user.secretAccessKey,
        AWS_DEFAULT_REGION: 'us-east-1',
      },
    })
    return stdout
  }
  expect(await restic('check', '--read-data')).toContain('no errors were found')
  expect(await restic('snapshots', '--tag', 'job=shop')).toContain('1 snapshots')
  await restic('restore', 'latest', '--target', join(directory, 'restored'))
  const names = (await restic('ls', 'latest')).split('\n').filter((name) => /^\/memory\/.*shop\//.test(name))
  const restored = await Promise.all(names.map((name) => readFile(join(directory, 'restored', name)).catch(() => Buffer.alloc(0))))
  expect(restored.some((bytes) => bytes.equals(content))).toBe(true)
})
