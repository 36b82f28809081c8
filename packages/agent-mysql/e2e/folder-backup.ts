import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backup, BackupError, type RestoredFile, type RestoredFileFacts, type RestoredFiles } from '@backup-planet/core'
import { createMysqlAgent } from '../src/index.ts'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import type { TestedServer } from './capture-fixture.ts'
import { DirectoryStage } from './directory-stage.ts'

/** A backup that lies in a folder as the agent wrote it, and the manifest a repository would make of it. */
export interface FolderBackup extends AsyncDisposable {
  readonly directory: string
  readonly backup: Backup
}

export function settingsOf(server: TestedServer): { host: string; port: number; user: string; password: string } {
  return { host: server.host, port: server.port, user: server.user, password: server.rootPassword }
}

export async function backUpToFolder(
  server: TestedServer,
  settings: Partial<MysqlAgentSettings> = {},
  items?: readonly string[],
): Promise<FolderBackup> {
  const directory = await mkdtemp(join(tmpdir(), 'bp-backup-'))
  const agent = createMysqlAgent({ verify: 'checksum', threads: 2, ...settingsOf(server), ...settings })
  const stage = new DirectoryStage(directory)
  await using capture = await beginAgain(() =>
    agent.beginCapture({ job: 'test', kind: 'full', chain: [], ...(items === undefined ? {} : { items }) }),
  )
  await capture.copyTo(stage)
  const { facts } = capture
  const backup: Backup = {
    format: 'backup-planet/manifest/1',
    id: 'test-backup',
    job: 'test',
    application: 'mysql',
    agent: { version: agent.version },
    source: facts.source,
    kind: 'full',
    status: stage.failed.size === 0 ? 'complete' : 'partial',
    beganAt: facts.consistentAt,
    consistentAt: facts.consistentAt,
    endedAt: facts.consistentAt,
    ...(facts.position === undefined ? {} : { position: facts.position }),
    items: [
      ...stage.sealed.map((item) => ({
        ...item,
        files: stage.files.filter((file) => file.item === item.item).map(({ name, size, sha256 }) => ({ name, size, sha256 })),
      })),
      ...[...stage.failed].map(([item, failure]) => ({ item, facts: {}, failure })),
    ],
    facts: facts.facts,
    storage: {},
  }
  await writeFile(join(directory, 'backup.json'), JSON.stringify(backup))
  return { directory, backup, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

/** What the agent calls worth another attempt gets one. */
async function beginAgain<T>(begin: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await begin()
    } catch (error) {
      if (!BackupError.is(error) || !error.retryable || attempt === 3) throw error
    }
  }
}

export async function openFolderBackup(directory: string): Promise<Backup> {
  return JSON.parse(await readFile(join(directory, 'backup.json'), 'utf8')) as Backup
}

/** The files of a folder as a restoring agent sees them; how many it holds at once, and reads and has not closed yet, is counted. */
export class FolderFiles implements RestoredFiles {
  readonly inventory: readonly RestoredFileFacts[]
  readonly #directory: string
  /** Names of the files that were streamed, in order. */
  readonly streamed: string[] = []
  held = 0
  mostHeld = 0
  reading = 0
  /** Called before each file is given out. */
  onFile: (file: RestoredFileFacts) => Promise<void> | void = () => undefined

  constructor(directory: string, backup: Backup) {
    this.#directory = directory
    this.inventory = backup.items.flatMap((item) => (item.files ?? []).map((file) => ({ ...file, backup: backup.id, item: item.item })))
  }

  async *stream(select: (file: RestoredFileFacts) => boolean): AsyncGenerator<RestoredFile> {
    for (const facts of this.inventory) {
      if (!select(facts)) continue
      await this.onFile(facts)
      const path = join(this.#directory, facts.item, facts.name)
      this.streamed.push(facts.name)
      this.mostHeld = Math.max(this.mostHeld, ++this.held)
      let released = false
      yield {
        ...facts,
        path,
        open: () => this.#read(path),
        release: async () => {
          if (!released) this.held--
          released = true
        },
      }
    }
  }

  async *#read(path: string): AsyncGenerator<Uint8Array> {
    this.reading++
    try {
      yield* createReadStream(path)
    } finally {
      this.reading--
    }
  }
}

/** What a repository would have recorded after a test has changed a file. */
export async function resealed(directory: string, backup: Backup): Promise<Backup> {
  const items = await Promise.all(
    backup.items.map(async (item) => ({
      ...item,
      files: await Promise.all(
        (item.files ?? []).map(async ({ name }) => {
          const content = await readFile(join(directory, item.item, name))
          return { name, size: content.length, sha256: createHash('sha256').update(content).digest('hex') }
        }),
      ),
    })),
  )
  return { ...backup, items }
}
