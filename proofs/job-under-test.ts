import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { type Backup, createDirectoryUploader, type Repository, restore, restorePlan } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect } from 'vitest'
import { bankInvariants, bankSchema, bankSql } from './money-writers.ts'

export const jobName = 'bank'
const backupUser = 'backup'
const backupPassword = 'only-for-proofs'
const passphrase = 'a passphrase that only proofs use'
/** Guessing this passphrase may be cheap; a second and 256 MiB for each of hundreds of commands would prove nothing more. */
const workFactor = 8

/** The exact rights that the package's README asks for, so that the proofs also prove that they suffice. */
const backupUserSql = `
CREATE USER ${backupUser}@'%' IDENTIFIED BY '${backupPassword}';
GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR ON *.* TO ${backupUser}@'%';
`

export interface JobUnderTestOptions {
  readonly staging?: string
  readonly repository?: string
  /** Further keys of the `staging` block. */
  readonly stagingSettings?: Readonly<Record<string, string>>
}

/** A bank on a throwaway server, and a configuration of the real command that backs it up, encrypted. */
export interface JobUnderTest extends AsyncDisposable {
  readonly server: ThrowawayMariadb
  readonly folder: string
  readonly stagingFolder: string
  readonly repositoryFolder: string
  readonly configurationFile: string
  /** What the configuration refers to; never written into it. */
  readonly environment: Readonly<Record<string, string>>
  readonly repository: Repository
  /** Everything listed, with nothing allowed to be reported as damaged. */
  list(): Promise<Backup[]>
  /** Reads every byte, restores into a new schema, checks every invariant, drops it again. */
  expectRestorable(backup: Backup): Promise<void>
  /** Writers, DDL and new connections pass at once, and nobody of ours is left on the server. */
  expectServerFree(): Promise<void>
  /** Files that lie in the staging folder, whatever they are. */
  stagedFiles(): Promise<string[]>
}

export async function createJobUnderTest(server: ThrowawayMariadb, options: JobUnderTestOptions = {}): Promise<JobUnderTest> {
  await server.client(bankSql + backupUserSql)
  const folder = await mkdtemp(path.join(tmpdir(), 'job-under-test-'))
  const stagingFolder = options.staging ?? path.join(folder, 'staging')
  const repositoryFolder = options.repository ?? path.join(folder, 'repository')
  await mkdir(repositoryFolder, { recursive: true, mode: 0o700 })
  const configurationFile = path.join(folder, 'backup-planet.yaml')
  const configuration = {
    repositories: {
      local: {
        kind: 'archive',
        destination: pathToFileURL(repositoryFolder).href,
        encryption: { passphrase: `\${env:PROOF_PASSPHRASE}`, workFactor },
      },
    },
    jobs: {
      [jobName]: {
        agent: 'mysql',
        settings: {
          host: server.host,
          port: server.port,
          user: backupUser,
          password: `\${env:PROOF_PASSWORD}`,
          includeSchemas: [bankSchema],
          users: false,
          threads: 2,
          chunkBytes: 512 * 1024,
        },
        repository: 'local',
      },
    },
    targets: {
      scratch: {
        agent: 'mysql',
        settings: { host: server.host, port: server.port, user: server.user, password: `\${env:PROOF_ROOT_PASSWORD}` },
      },
    },
    staging: { directory: stagingFolder, ...options.stagingSettings },
  }
  await writeFile(configurationFile, JSON.stringify(configuration), { mode: 0o600 })
  const repository = createArchiveRepository({
    uploader: createDirectoryUploader({ directory: repositoryFolder }),
    encryption: { passphrase, workFactor },
  })

  const listed = async () => {
    const backups: Backup[] = []
    const damaged: string[] = []
    const onProgress = (progress: { type: string; problem?: { message: string } }) => {
      if (progress.type === 'problem') damaged.push(progress.problem?.message ?? '')
    }
    for await (const backup of repository.list({}, { onProgress })) backups.push(backup)
    expect(damaged).toEqual([])
    return backups
  }

  return {
    server,
    folder,
    stagingFolder,
    repositoryFolder,
    configurationFile,
    environment: { PROOF_PASSPHRASE: passphrase, PROOF_PASSWORD: backupPassword, PROOF_ROOT_PASSWORD: server.rootPassword },
    repository,
    list: listed,
    async expectRestorable(backup) {
      for await (const finding of repository.verify({ readData: true, id: backup.id })) {
        if (finding.backup === backup.id) expect(finding, JSON.stringify(finding)).toMatchObject({ severity: 'ok' })
      }
      await using agent = createMysqlAgent({ host: server.host, port: server.port, user: server.user, password: server.rootPassword })
      const copy = `copy_${backup.id.replace(/\W/g, '_')}`
      const target = { overwrite: false, rename: { [bankSchema]: copy } }
      const plan = await restorePlan({ agent, repository, backup, items: [bankSchema], target })
      const report = await restore({
        agent,
        repository,
        plan,
        scratch: { directory: path.join(folder, 'scratch'), budgetBytes: 64 * 2 ** 20 },
      })
      expect(JSON.stringify(report)).not.toContain('"passed":false')
      for (const invariant of bankInvariants) expect((await server.client(invariant.sql(copy))).trim(), invariant.name).toBe('0')
      await server.client(`DROP DATABASE ${copy}`)
    },
    async expectServerFree() {
      const began = performance.now()
      await server.client(
        `SET SESSION lock_wait_timeout = 5, innodb_lock_wait_timeout = 5;
         CREATE TABLE bank.probe (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO bank.probe VALUES (1); DROP TABLE bank.probe;`,
      )
      expect(performance.now() - began, 'a write and a DDL statement pass at once').toBeLessThan(5000)
      await expect
        .poll(
          async () => (await server.client(`SELECT COUNT(*) FROM information_schema.processlist WHERE user = '${backupUser}'`)).trim(),
          {
            timeout: 10_000,
          },
        )
        .toBe('0')
    },
    async stagedFiles() {
      const entries = await readdir(stagingFolder, { recursive: true, withFileTypes: true }).catch(() => [])
      return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
    },
    async [Symbol.asyncDispose]() {
      await repository[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
