import type { Backup, Json, RestoredFile, RestoredFileFacts, RestoredFiles, RestoreReport, RestoreStop } from '@backup-planet/core'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { planMysqlRestore, runMysqlRestore } from '../src/restore/index.ts'
import type { TestedServer } from './capture-fixture.ts'
import { type FolderBackup, FolderFiles } from './folder-backup.ts'
import { LogChain } from './log-fixture.ts'
import { resolved } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

/** Backups of one job in the order in which they were made, each in a folder of its own. */
export class BackupChain implements AsyncDisposable {
  readonly folders: FolderBackup[] = []
  #made: LogChain
  readonly #server: TestedServer

  constructor(server: TestedServer) {
    this.#server = server
    this.#made = new LogChain(server)
  }

  get backups(): readonly Backup[] {
    return this.folders.map((folder) => folder.backup)
  }

  /** Begins the chain, or begins it anew. */
  async full(settings: Partial<MysqlAgentSettings> = {}): Promise<Backup> {
    await this[Symbol.asyncDispose]()
    this.folders.length = 0
    this.#made = new LogChain(this.#server, { verify: 'checksum', threads: 2, ...settings })
    return await this.backUp('full')
  }

  log(): Promise<Backup> {
    return this.backUp('log')
  }

  /** A log becomes a full where it must. */
  async backUp(kind: 'full' | 'log'): Promise<Backup> {
    const { backup, stage } = await this.#made.backUp(kind)
    this.folders.push({ directory: stage.directory, backup, [Symbol.asyncDispose]: async () => undefined })
    return backup
  }

  files(): ChainFiles {
    return new ChainFiles(this.folders)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#made[Symbol.asyncDispose]()
  }
}

/** The files of several folders, in the order of the backups. */
export class ChainFiles implements RestoredFiles {
  readonly inventory: readonly RestoredFileFacts[]
  readonly #parts: readonly FolderFiles[]
  /** Called before each file is given out. */
  onFile: (file: RestoredFileFacts) => Promise<void> | void = () => undefined

  constructor(folders: readonly Pick<FolderBackup, 'directory' | 'backup'>[]) {
    this.#parts = folders.map(({ directory, backup }) => new FolderFiles(directory, backup))
    this.inventory = this.#parts.flatMap((part) => part.inventory)
  }

  get held(): number {
    return this.#parts.reduce((sum, part) => sum + part.held, 0)
  }

  get reading(): number {
    return this.#parts.reduce((sum, part) => sum + part.reading, 0)
  }

  get mostHeld(): number {
    return Math.max(...this.#parts.map((part) => part.mostHeld))
  }

  async *stream(select: (file: RestoredFileFacts) => boolean): AsyncGenerator<RestoredFile> {
    for (const part of this.#parts) {
      part.onFile = (file) => this.onFile(file)
      yield* part.stream(select)
    }
  }
}

export interface ReplayChoices {
  readonly stop?: RestoreStop
  readonly items?: readonly string[]
  readonly options?: Readonly<Record<string, Json>>
  readonly overwrite?: boolean
}

export function planReplay(chain: BackupChain, target: TestedServer, { stop, items, options = {}, overwrite = true }: ReplayChoices = {}) {
  return planMysqlRestore(resolved(target), {
    backups: chain.backups,
    ...(stop === undefined ? {} : { stop }),
    ...(items === undefined ? {} : { items }),
    target: { overwrite, options },
  })
}

/** Plans and executes; whatever fails fails the test. */
export async function replayTo(chain: BackupChain, target: TestedServer, choices: ReplayChoices = {}): Promise<RestoreReport> {
  const plan = await planReplay(chain, target, choices)
  const errors = plan.problems.filter((problem) => problem.severity === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  const files = chain.files()
  const report = await runMysqlRestore(resolved(target), plan, files)
  const failed = report.items.flatMap((item) => (item.failure === undefined ? [] : [`${item.item}: ${item.failure.message}`]))
  if (failed.length > 0) throw new Error(failed.join('\n'))
  if (files.held !== 0) throw new Error(`${files.held} files were not released`)
  if (files.reading !== 0) throw new Error(`${files.reading} files were not closed`)
  return report
}

/** Drops what a test has restored, so that the next one begins with an empty server. */
export async function emptyServer(server: ThrowawayMariadb): Promise<void> {
  const names = (
    await server.client(
      "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')",
    )
  )
    .split('\n')
    .filter((name) => name !== '')
  for (const name of names) await server.client(`DROP DATABASE \`${name.replaceAll('`', '``')}\``)
}

/** Everything of a schema that a log brings back. Numbers that were reserved and not used, or rolled back, have left no trace in it. */
export async function loggedState(server: ThrowawayMariadb, schema: string): Promise<string> {
  return (await schemaText(server, schema)).replaceAll(/ AUTO_INCREMENT=\d+/g, '')
}
