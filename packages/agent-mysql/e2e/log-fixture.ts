import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Agent, Backup, Capture, CaptureKind, CaptureRequest, OperationOptions } from '@backup-planet/core'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { binlogItem } from '../src/dump-layout.ts'
import { createMysqlAgent, type MysqlAgentSettings } from '../src/index.ts'
import { settingsFor, type TestedServer } from './capture-fixture.ts'
import { DirectoryStage } from './directory-stage.ts'

/** A backup that lies in a folder, and the manifest that a repository would make of it. */
export interface ChainedBackup {
  readonly backup: Backup
  readonly stage: DirectoryStage
  readonly capture: Capture
}

/** Backups of one job, each continuing what was committed before it, as a repository would hold them. */
export class LogChain implements AsyncDisposable {
  readonly agent: Agent
  readonly backups: Backup[] = []
  readonly #directories: string[] = []
  #count = 0

  constructor(server: TestedServer, settings: Partial<MysqlAgentSettings> = {}) {
    this.agent = createMysqlAgent(settingsFor(server, { threads: 1, ...settings }))
  }

  request(kind: CaptureKind): CaptureRequest {
    return { job: 'test', kind, chain: this.backups }
  }

  /** Throws what the capture throws; then nothing of it is in the chain. */
  async backUp(kind: CaptureKind, options: OperationOptions = {}, agent: Agent = this.agent): Promise<ChainedBackup> {
    return await this.store(await agent.beginCapture(this.request(kind), options), options)
  }

  async store(capture: Capture, options: OperationOptions = {}): Promise<ChainedBackup> {
    await using _released = capture
    const directory = await mkdtemp(join(tmpdir(), 'bp-log-'))
    this.#directories.push(directory)
    const stage = new DirectoryStage(directory)
    await capture.copyTo(stage, options)
    const { facts } = capture
    await stage.seal(facts)
    const backup: Backup = {
      format: 'backup-planet/manifest/1',
      id: `backup-${++this.#count}`,
      job: 'test',
      application: 'mysql',
      agent: { version: this.agent.version },
      source: facts.source,
      kind: facts.kind,
      status: 'complete',
      beganAt: facts.consistentAt,
      consistentAt: facts.consistentAt,
      endedAt: new Date(Date.parse('2026-01-01T00:00:00.000Z') + this.#count * 1000).toISOString(),
      ...(facts.from === undefined ? {} : { from: facts.from }),
      ...(facts.position === undefined ? {} : { position: facts.position }),
      ...(facts.covers === undefined ? {} : { covers: facts.covers }),
      items: stage.sealed.map((item) => ({
        ...item,
        files: stage.files.filter((file) => file.item === item.item).map(({ name, size, sha256 }) => ({ name, size, sha256 })),
      })),
      facts: facts.facts,
      storage: {},
    }
    this.backups.push(JSON.parse(JSON.stringify(backup)) as Backup)
    await capture.confirm(options)
    return { backup, stage, capture }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const directory of this.#directories) await rm(directory, { recursive: true, force: true })
  }
}

/** Binlogs of a backup, without their list. */
export async function binlogsIn({ stage }: ChainedBackup): Promise<readonly string[]> {
  const names = await readdir(join(stage.directory, binlogItem)).catch(() => [])
  return names.filter((name) => name !== 'binlogs.jsonl').sort()
}

export function binlogOf(server: ThrowawayMariadb, name: string): Promise<Buffer> {
  return readFile(join(server.directory, 'data', name))
}

export function storedBinlog({ stage }: ChainedBackup, name: string): Promise<Buffer> {
  return readFile(join(stage.directory, binlogItem, name))
}
