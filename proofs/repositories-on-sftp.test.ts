import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { backUp, createDirectoryStaging, type Repository, restore, restorePlan, type Uploader } from '@backup-planet/core'
import { collect, describeRepositoryContract } from '@backup-planet/core/conformance'
import { createMemoryAgent, createMemoryApplication } from '@backup-planet/core/testing'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { createResticRepository } from '@backup-planet/repository-restic'
import { cheapResticPassword as cheapPassword } from '@backup-planet/tooling/cheap-restic-repository'
import { startThrowawaySshd, type ThrowawaySshd } from '@backup-planet/tooling/throwaway-sshd'
import { createSftpUploader, type SshServerSettings } from '@backup-planet/uploader-sftp'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { placeCheapRepository } from './cheap-repository.ts'
import { damageObjects } from './damaged-objects.ts'

const password = 'correct horse'
const plain = 'internal-sftp'
const chrooted = 'internal-sftp in a chroot'
const behindJump = 'internal-sftp behind a jump host'
const everywhere = [plain, chrooted, behindJump]

/** A server, and the one on the way to it. */
interface Place {
  readonly server: ThrowawaySshd
  readonly jump?: ThrowawaySshd
}

const places = new Map<string, Place>()
const opened: Uploader[] = []
beforeAll(async () => {
  const [open, shutIn, behind] = await Promise.all([
    startThrowawaySshd(),
    startThrowawaySshd({ chroot: true }),
    startThrowawaySshd({ commands: false }),
  ])
  // With no more rights than the README of the uploader asks for.
  const configuration = ['AllowTcpForwarding local', `PermitOpen 127.0.0.1:${behind.port}`, 'PermitTTY no', 'ForceCommand /bin/false']
  const jump = await startThrowawaySshd({ configuration })
  places.set(plain, { server: open })
  places.set(chrooted, { server: shutIn })
  places.set(behindJump, { server: behind, jump })
})
afterAll(async () => {
  for (const uploader of opened) await uploader[Symbol.asyncDispose]()
  for (const { server, jump } of places.values()) {
    await server.stop()
    await jump?.stop()
  }
})

function placeOf(name: string): Place {
  const place = places.get(name)
  if (place === undefined) throw new Error(`${name} was not started`)
  return place
}

function loginTo({ host, port, user, keyFile, knownHostsFile }: ThrowawaySshd): SshServerSettings {
  return { host, port, user, privateKeyFile: keyFile, knownHostsFile }
}

function newFolder({ server }: Place): string {
  return `${server.remotePath}/repository-${randomBytes(6).toString('hex')}`
}

function uploaderAt({ server, jump }: Place, path: string): Uploader {
  const uploader = createSftpUploader({ ...loginTo(server), path, ...(jump === undefined ? {} : { jump: loginTo(jump) }) })
  opened.push(uploader)
  return uploader
}

/** Runs restic on a repository on `place`, over the `ssh` of OpenSSH with the keys and the way of our settings. */
async function resticOn({ server, jump }: Place, path: string, directory: string): Promise<(...words: string[]) => Promise<string>> {
  const section = (alias: string, { host, port, user, keyFile, knownHostsFile }: ThrowawaySshd): string =>
    `Host ${alias}\n  HostName ${host}\n  Port ${port}\n  User ${user}\n  IdentityFile ${keyFile}\n  UserKnownHostsFile ${knownHostsFile}\n`
  const way = jump === undefined ? '' : `  ProxyJump jump\n${section('jump', jump)}`
  const strict = 'Host *\n  IdentitiesOnly yes\n  IdentityAgent none\n  StrictHostKeyChecking yes\n'
  const sshConfig = join(directory, 'ssh_config')
  await writeFile(sshConfig, section('place', server) + way + strict, { mode: 0o600 })
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  const environment = { PATH: process.env.PATH, RESTIC_REPOSITORY: `sftp:place:${path}`, RESTIC_PASSWORD_FILE: passwordFile }
  return async (...words) => {
    const options = ['--no-cache', '-o', `sftp.command=ssh -F ${sshConfig} -o BatchMode=yes place -s sftp`]
    return (await promisify(execFile)('restic', [...options, ...words], { env: environment })).stdout
  }
}

async function scratchFolder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bp-repositories-sftp-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Backs up through a repository, lists and verifies there, and restores into an application that has nothing. */
async function assertRoundTrip(repository: Repository, items: Readonly<Record<string, Buffer>>, directory: string): Promise<void> {
  await using source = createMemoryAgent({ items })
  const { backup } = await backUp({
    agent: source,
    repository,
    staging: createDirectoryStaging({ directory: join(directory, 'staging') }),
    request: { job: 'shop', kind: 'full' },
  })
  expect(backup.status).toBe('complete')
  expect((await collect(repository.list())).map(({ id }) => id)).toEqual([backup.id])
  const findings = await collect(repository.verify({ readData: true }))
  expect(findings.map(({ severity }) => severity)).toEqual(findings.map(() => 'ok'))
  expect(findings.length).toBeGreaterThan(0)
  const target = createMemoryApplication()
  await using agent = createMemoryAgent({ server: target })
  const plan = await restorePlan({ agent, repository, backup, target: { overwrite: false } })
  await restore({ agent, repository, plan, scratch: { directory: join(directory, 'scratch'), budgetBytes: 100_000_000 } })
  expect([...target.items.keys()].sort()).toEqual(Object.keys(items).sort())
  for (const [item, bytes] of Object.entries(items)) expect(target.items.get(item)?.equals(bytes), item).toBe(true)
}

// Hundreds of stores and restores each: `npm run test:sweep` does them everywhere.
for (const name of process.env.BACKUP_PLANET_SFTP_CONTRACTS === '1' ? everywhere : [plain]) {
  describeRepositoryContract(`the restic repository on ${name}`, {
    async makeRepository() {
      const place = placeOf(name)
      const folder = newFolder(place)
      const open = () => createResticRepository({ uploader: uploaderAt(place, folder), password: cheapPassword, cacheDirectory: false })
      await placeCheapRepository(uploaderAt(place, folder))
      return {
        repository: open(),
        another: open,
        corruptSomething: () => damageObjects(uploaderAt(place, folder), (key) => key.startsWith('data/')),
      }
    },
  })

  describeRepositoryContract(`the archive repository on ${name}`, {
    async makeRepository() {
      const place = placeOf(name)
      const folder = newFolder(place)
      const open = () => createArchiveRepository({ uploader: uploaderAt(place, folder) })
      return {
        repository: open(),
        another: open,
        corruptSomething: () => damageObjects(uploaderAt(place, folder), (key) => /\.tar\.zst$/.test(key)),
      }
    },
  })
}

describe.each(everywhere)('on %s', (name) => {
  const items = { shop: randomBytes(5_000_000), 'empty one': Buffer.alloc(0), 'größe / 数据': randomBytes(20_000) }

  it('the archive repository stores, lists, verifies and restores', async () => {
    const place = placeOf(name)
    await using repository = createArchiveRepository({ uploader: uploaderAt(place, newFolder(place)) })
    await assertRoundTrip(repository, items, await scratchFolder())
  })

  it('the restic repository does so too, and restic itself checks, lists and restores what was stored', async () => {
    const place = placeOf(name)
    const folder = newFolder(place)
    const directory = await scratchFolder()
    {
      await using repository = createResticRepository({ uploader: uploaderAt(place, folder), password, cacheDirectory: false })
      await repository.initialize()
      await assertRoundTrip(repository, items, directory)
    }
    const restic = await resticOn(place, folder, directory)
    expect(await restic('check', '--read-data')).toContain('no errors were found')
    expect(await restic('snapshots', '--tag', 'job=shop')).toContain('1 snapshots')
    const restored = join(directory, 'restored')
    await restic('restore', 'latest', '--target', restored)
    const names = (await restic('ls', 'latest', '--json')).split('\n').flatMap((line) => {
      const { type, path } = JSON.parse(line === '' ? '{}' : line) as { readonly type?: string; readonly path?: string }
      return type === 'file' && path !== undefined ? [path] : []
    })
    const contents = await Promise.all(names.map((path) => readFile(join(restored, path))))
    for (const [item, bytes] of Object.entries(items)) {
      expect(
        contents.some((found) => found.equals(bytes)),
        `${item} among ${names.join(', ')}`,
      ).toBe(true)
    }
  })
})
