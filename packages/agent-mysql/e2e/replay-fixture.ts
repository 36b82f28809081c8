import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backup, Json, RestoredFile, RestoredFileFacts, RestoredFiles, RestoreReport, RestoreStop } from '@backup-planet/core'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { BinlogScan } from '../src/binlog/binlog-scan.ts'
import { type BinlogFileFacts, binlogItem } from '../src/dump-layout.ts'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { planMysqlRestore, runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from './folder-backup.ts'
import { resolved } from './restore-round-trip.ts'

/** A full backup and the logs behind it, each in a folder of its own. */
export class BackupChain implements AsyncDisposable {
  readonly folders: FolderBackup[] = []
  readonly server: ThrowawayMariadb

  constructor(server: ThrowawayMariadb) {
    this.server = server
  }

  get backups(): readonly Backup[] {
    return this.folders.map((folder) => folder.backup)
  }

  async full(settings: Partial<MysqlAgentSettings> = {}): Promise<Backup> {
    const folder = await backUpToFolder(this.server, settings)
    await this[Symbol.asyncDispose]()
    this.folders.length = 0
    this.folders.push(folder)
    return folder.backup
  }

  /** Takes all binlogs from where the chain ends, up to a new one that is begun now. */
  async log(): Promise<Backup> {
    const before = this.folders.at(-1)?.backup
    const from = before?.position
    if (from === undefined) throw new Error('there is no full backup with a position')
    await this.server.client('FLUSH BINARY LOGS')
    const names = (await this.server.client('SHOW BINARY LOGS'))
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0] ?? '')
    const directory = await mkdtemp(join(tmpdir(), 'bp-log-'))
    await mkdir(join(directory, binlogItem))
    const wanted = names.filter((name) => name >= (from.value.file ?? '') && name !== names.at(-1))
    const binlogs: BinlogFileFacts[] = []
    for (const name of wanted) {
      await copyFile(join(this.server.directory, 'data', name), join(directory, binlogItem, name))
      binlogs.push(await scanned(join(directory, binlogItem, name), name))
    }
    const [gtid] = (await this.server.client('SELECT @@GLOBAL.gtid_binlog_pos')).split('\n')
    const position = { chain: from.chain, value: { file: names.at(-1) ?? '', offset: '4', gtid: gtid ?? '' } }
    const backup = logBackup(`log-${this.folders.length}`, before as Backup, binlogs, position)
    this.folders.push({ directory, backup, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) })
    return backup
  }

  files(): ChainFiles {
    return new ChainFiles(this.folders)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.folders) await folder[Symbol.asyncDispose]()
  }
}

async function scanned(path: string, name: string): Promise<BinlogFileFacts> {
  const scan = new BinlogScan({ name })
  const bytes = await readFile(path)
  scan.push(bytes)
  const facts = scan.end()
  return { file: name, ...facts, from: 0, sha256: '' }
}

function logBackup(id: string, before: Backup, binlogs: readonly BinlogFileFacts[], position: NonNullable<Backup['position']>): Backup {
  const at = new Date().toISOString()
  return {
    ...before,
    id,
    kind: 'log',
    consistentAt: at,
    endedAt: at,
    ...(before.position === undefined ? {} : { from: before.position }),
    position,
    items: [
      {
        item: binlogItem,
        bytes: binlogs.reduce((sum, { bytes }) => sum + bytes, 0),
        facts: { binlogs: binlogs as unknown as Json },
        files: binlogs.map(({ file, bytes }) => ({ name: file, size: bytes, sha256: '' })),
      },
    ],
    facts: { ...before.facts, binlogFormat: 'ROW', binlog: { ...position.value } },
  }
}

/** The files of several folders, in the order of the backups. */
export class ChainFiles implements RestoredFiles {
  readonly inventory: readonly RestoredFileFacts[]
  readonly #parts: readonly FolderFiles[]
  /** Called before each file is given out. */
  onFile: (file: RestoredFileFacts) => Promise<void> | void = () => undefined

  constructor(folders: readonly FolderBackup[]) {
    this.#parts = folders.map(({ directory, backup }) => new FolderFiles(directory, backup))
    this.inventory = this.#parts.flatMap((part) => part.inventory)
  }

  get held(): number {
    return this.#parts.reduce((sum, part) => sum + part.held, 0)
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

export function planReplay(
  chain: BackupChain,
  target: ThrowawayMariadb,
  { stop, items, options = {}, overwrite = true }: ReplayChoices = {},
) {
  return planMysqlRestore(resolved(target), {
    backups: chain.backups,
    ...(stop === undefined ? {} : { stop }),
    ...(items === undefined ? {} : { items }),
    target: { overwrite, options },
  })
}

/** Plans and executes; whatever fails fails the test. */
export async function replayTo(chain: BackupChain, target: ThrowawayMariadb, choices: ReplayChoices = {}): Promise<RestoreReport> {
  const plan = await planReplay(chain, target, choices)
  const errors = plan.problems.filter((problem) => problem.severity === 'error')
  if (errors.length > 0) throw new Error(JSON.stringify(errors))
  const files = chain.files()
  const report = await runMysqlRestore(resolved(target), plan, files)
  const failed = report.items.flatMap((item) => (item.failure === undefined ? [] : [`${item.item}: ${item.failure.message}`]))
  if (failed.length > 0) throw new Error(failed.join('\n'))
  if (files.held !== 0) throw new Error(`${files.held} files were not released`)
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
