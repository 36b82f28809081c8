import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type {
  Agent,
  Backup,
  CaptureKind,
  OperationOptions,
  RestoredFile,
  RestoredFileFacts,
  RestoredFiles,
  RestorePlan,
} from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { createMysqlAgent } from '../src/index.ts'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { DirectoryStage } from './directory-stage.ts'

export function physicalSettings(server: ThrowawayMariadb, more: Partial<MysqlAgentSettings> = {}): MysqlAgentSettings {
  return {
    mode: 'physical',
    socketPath: server.socketPath,
    user: server.user,
    password: server.rootPassword,
    physical: { partBytes: 4_194_304 },
    ...more,
  }
}

export function physicalAgent(server: ThrowawayMariadb, more: Partial<MysqlAgentSettings> = {}): Agent {
  return createMysqlAgent(physicalSettings(server, more))
}

/** Backups of one job, each in a folder of its own below one directory, as a repository would keep them. */
export class BackupShelf implements AsyncDisposable {
  readonly directory: string
  readonly backups: Backup[] = []

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<BackupShelf> {
    return new BackupShelf(await mkdtemp(join(tmpdir(), 'bp-physical-')))
  }

  folder(backup: Pick<Backup, 'id'>): string {
    return join(this.directory, backup.id)
  }

  async backUp(
    agent: Agent,
    kind: CaptureKind,
    options: OperationOptions = {},
    use: (stage: DirectoryStage) => void = () => undefined,
  ): Promise<Backup & { readonly reason?: string }> {
    const id = `backup-${this.backups.length + 1}`
    const stage = new DirectoryStage(join(this.directory, id))
    await mkdir(stage.directory, { mode: 0o700 })
    use(stage)
    await using capture = await agent.beginCapture({ job: 'test', kind, chain: this.backups }, options)
    await capture.copyTo(stage, options)
    const { facts } = capture
    await stage.seal(facts)
    const backup: Backup = {
      format: 'backup-planet/manifest/1',
      id,
      job: 'test',
      application: 'mysql',
      agent: { version: agent.version },
      source: facts.source,
      kind: facts.kind,
      status: 'complete',
      beganAt: facts.consistentAt,
      consistentAt: facts.consistentAt,
      endedAt: facts.consistentAt,
      ...(facts.from === undefined ? {} : { from: facts.from }),
      ...(facts.position === undefined ? {} : { position: facts.position }),
      items: stage.sealed.map((item) => ({
        ...item,
        files: stage.files.filter((file) => file.item === item.item).map(({ name, size, sha256 }) => ({ name, size, sha256 })),
      })),
      facts: facts.facts,
      storage: {},
    }
    this.backups.push(backup)
    return facts.reason === undefined ? backup : { ...backup, reason: facts.reason }
  }

  files(backups: readonly Backup[]): RestoredFiles {
    return filesBelow(this.directory, backups)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.directory, { recursive: true, force: true })
  }
}

/** The files of backups as a restoring agent sees them. */
export function filesBelow(directory: string, backups: readonly Backup[]): RestoredFiles {
  const inventory: RestoredFileFacts[] = backups.flatMap((backup) =>
    backup.items.flatMap(({ item, files = [] }) => files.map((file) => ({ ...file, item, backup: backup.id }))),
  )
  return {
    inventory,
    async *stream(select): AsyncGenerator<RestoredFile> {
      for (const facts of inventory.filter(select)) {
        const path = join(directory, facts.backup, facts.item, facts.name)
        yield { ...facts, path, open: () => createReadStream(path), release: async () => undefined }
      }
    },
  }
}

export async function planFor(
  agent: Agent,
  backups: readonly Backup[],
  datadir: string,
  more: { readonly overwrite?: boolean } = {},
): Promise<RestorePlan> {
  return await agent.planRestore({ backups, target: { overwrite: more.overwrite === true, options: { datadir } } })
}

/** A folder for a throwaway server, in which its data directory `data` is still missing. */
export async function emptyHome(): Promise<{ readonly directory: string; readonly datadir: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'bp-home-'))
  await mkdir(join(directory, 'tmp'), { mode: 0o700 })
  return {
    directory,
    datadir: join(directory, 'data'),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** A server on a restored data directory, with a new password of root. */
export function startOn(home: { readonly directory: string }): Promise<ThrowawayMariadb> {
  return startThrowawayMariadb({ directory: home.directory })
}

/** Everything that a user put there, as mariadb-dump prints it. */
export async function contentOf(server: ThrowawayMariadb): Promise<string> {
  const schemas = (
    await server.client(
      "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1",
    )
  )
    .split('\n')
    .filter((name) => name !== '')
  const dump = await server.dump([
    '--skip-comments',
    '--order-by-primary',
    '--routines',
    '--events',
    '--triggers',
    '--databases',
    ...schemas,
  ])
  // The counter of a table is only in memory, and behind a gap another one after every restart of a server.
  return dump.toString('utf8').replaceAll(/ AUTO_INCREMENT=\d+/g, '')
}

/** Runs the commands of a RESTORE.md in a folder, as an operator would. */
export async function runGuide(backupFolder: string, workingDirectory: string): Promise<void> {
  const guide = await readFile(join(backupFolder, 'RESTORE.md'), 'utf8')
  const script = /```sh\n([\s\S]*?)```/.exec(guide)?.[1]
  if (script === undefined) throw new Error('RESTORE.md holds no commands')
  await promisify(execFile)('sh', ['-c', script], { cwd: workingDirectory, env: { PATH: process.env.PATH, HOME: workingDirectory } })
}
