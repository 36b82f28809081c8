import { createHash } from 'node:crypto'
import type {
  Agent,
  Backup,
  Capture,
  CaptureFacts,
  CaptureRequest,
  Finding,
  ManifestFile,
  ManifestItem,
  OperationOptions,
  Repository,
  RestoredFiles,
  RestorePlan,
  RestoreReport,
  RestoreRequest,
  RunStage,
  Stage,
  StagedRun,
  Staging,
  StoreRequest,
  UnfinishedFilter,
} from '../../contracts/index.ts'
import { BackupError, throwIfAborted } from '../../errors/backup-error.ts'

/** What was called, in order, by every part of one test. */
export class Calls {
  readonly names: string[] = []
  /** Called after each name is noted; may throw or abort. */
  at: (name: string) => void | Promise<void> = () => undefined

  async note(name: string): Promise<void> {
    this.names.push(name)
    await this.at(name)
  }

  indexOf(name: string): number {
    return this.names.indexOf(name)
  }
}

export const facts: CaptureFacts = {
  application: 'test',
  source: { id: 'server', name: 'server', version: '1' },
  kind: 'full',
  consistentAt: '2026-11-22T08:00:00Z',
  position: { chain: 'c', value: { offset: '1' } },
  facts: {},
  restoreGuide: 'guide',
}

export interface AgentScript {
  readonly calls: Calls
  /** What the facts of its captures have besides. */
  readonly captured?: Partial<CaptureFacts>
  copyTo?(stage: Stage, options: OperationOptions, calls: Calls): Promise<void>
  restore?(plan: RestorePlan, files: RestoredFiles, options: OperationOptions): Promise<RestoreReport>
  planRestore?(request: RestoreRequest): Promise<RestorePlan>
}

export interface RecordingAgent extends Agent {
  readonly requests: CaptureRequest[]
}

export function recordingAgent({ calls, captured = {}, copyTo = copyTwoItems, restore, planRestore }: AgentScript): RecordingAgent {
  const requests: CaptureRequest[] = []
  return {
    contract: 'agent/1',
    application: 'test',
    version: '1.2.3',
    supports: { kinds: ['full', 'log'], pointInTime: false, rename: false },
    requests,
    async *discover() {},
    check: async () => [],
    plan: () => Promise.reject(new TypeError('not used')),
    async beginCapture(request, options): Promise<Capture> {
      requests.push(request)
      throwIfAborted(options?.signal, 'beginning')
      await calls.note('capture begun')
      return {
        facts: { ...facts, ...captured },
        async copyTo(stage, copyOptions = {}) {
          await calls.note('copy begun')
          await copyTo(stage, copyOptions, calls)
          await calls.note('copy ended')
        },
        confirm: () => calls.note('confirmed'),
        [Symbol.asyncDispose]: () => calls.note('capture disposed'),
      }
    },
    planRestore: planRestore ?? (() => Promise.reject(new TypeError('not used'))),
    restore: (plan, files, options) => restore?.(plan, files, options ?? {}) ?? Promise.reject(new TypeError('not used')),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

export async function copyTwoItems(stage: Stage, options: OperationOptions, calls: Calls): Promise<void> {
  for (const item of ['a', 'b']) {
    await stage.write({ item, name: 'data' }, content(`content of ${item}`), options)
    await calls.note(`written ${item}`)
    await stage.sealItem({ item, facts: {} })
  }
}

export async function* content(text: string): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from(text)
}

interface StoredFile extends ManifestFile {
  readonly bytes: Buffer
}

/** Keeps everything in memory; can be told to lie about contents. */
export class RecordingRepository implements Repository {
  readonly contract = 'repository/1'
  readonly destination = 'memory'
  readonly supports = { read: true, deduplicates: false }
  readonly backups: Backup[] = []
  readonly files = new Map<string, Map<string, StoredFile[]>>()
  readonly #calls: Calls
  guide: string | undefined = 'guide'
  tamper: (bytes: Buffer, item: string) => Buffer = (bytes) => bytes
  findings: Finding[] = []

  constructor(calls: Calls) {
    this.#calls = calls
  }

  async store({ run, agent }: StoreRequest, contents: RunStage['contents'], options: OperationOptions = {}): Promise<Backup> {
    await this.#calls.note('store begun')
    const items = new Map<string, StoredFile[]>()
    const ended: ManifestItem[] = []
    for await (const event of contents.drain(options)) {
      if (event.type === 'file') {
        const chunks: Uint8Array[] = []
        for await (const chunk of event.file.open()) chunks.push(chunk)
        const { item, name, size, sha256 } = event.file
        items.set(item, [...(items.get(item) ?? []), { name, size, sha256, bytes: Buffer.concat(chunks) }])
        await this.#calls.note(`stored ${item}/${name}`)
        await event.file.release()
      } else if (event.type === 'item') ended.push({ ...event.item, files: (items.get(event.item.item) ?? []).map(plain) })
      else if (event.type === 'item-failed') ended.push({ item: event.item, facts: {}, failure: event.failure })
      else if (event.type === 'sealed') {
        throwIfAborted(options.signal, 'storing')
        await this.#calls.note('record written')
        const backup = backupOf(run, agent.version, event.facts, ended)
        this.backups.push(backup)
        this.files.set(backup.id, items)
        return backup
      }
    }
    throw new TypeError('the drain ended without being sealed')
  }

  async *list(filter: { job?: string; id?: string } = {}): AsyncGenerator<Backup, void, void> {
    await this.#calls.note('listed')
    for (const backup of this.backups) {
      if ((filter.job ?? backup.job) === backup.job && (filter.id ?? backup.id) === backup.id) yield backup
    }
  }

  async inventory(backup: Backup): Promise<readonly ManifestItem[]> {
    return backup.items
  }

  storedBytes?: (backup: Backup) => number

  async readGuide(): Promise<string | undefined> {
    return this.guide
  }

  open(): AsyncIterable<Uint8Array> {
    throw new TypeError('not used')
  }

  async *read(backup: Backup, select: (file: { item: string; name: string }) => boolean) {
    for (const [item, files] of this.files.get(backup.id) ?? []) {
      for (const { name, bytes } of files) {
        if (!select({ item, name })) continue
        const sent = this.tamper(bytes, item)
        yield { item, name, size: sent.length, content: chunked(sent) }
      }
    }
  }

  remove(): never {
    throw new TypeError('not used')
  }

  async *verify(_request?: unknown, options: OperationOptions = {}): AsyncGenerator<Finding, void, void> {
    for (const finding of this.findings) {
      options.onProgress?.({ type: 'bytes', phase: 'verify', bytes: 7 })
      yield finding
    }
  }

  readonly cleanings: UnfinishedFilter[] = []
  async removeUnfinished(request: UnfinishedFilter) {
    this.cleanings.push(request)
    return { removed: [], bytes: 0, retained: [] }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function* chunked(bytes: Buffer): AsyncGenerator<Uint8Array, void, void> {
  for (let begin = 0; begin < bytes.length; begin += 5) yield bytes.subarray(begin, begin + 5)
}

function plain({ name, size, sha256 }: StoredFile): ManifestFile {
  return { name, size, sha256 }
}

function backupOf(run: StagedRun, version: string, captured: CaptureFacts, items: readonly ManifestItem[]): Backup {
  const { restoreGuide: _, ...kept } = captured
  return {
    format: 'backup-planet/manifest/1',
    ...run,
    agent: { version },
    status: items.some(({ failure }) => failure !== undefined) ? 'partial' : 'complete',
    endedAt: '2026-11-22T09:00:00Z',
    ...kept,
    items,
    storage: {},
  }
}

/** A staging that notes when its stages are removed and let go. */
export function recordingStaging(staging: Staging, calls: Calls): Staging {
  const watched = (stage: RunStage): RunStage => ({
    run: stage.run,
    stage: {
      ...stage.stage,
      async seal(captured) {
        await stage.stage.seal(captured)
        await calls.note('sealed')
      },
    },
    contents: stage.contents,
    abandonedRuns: stage.abandonedRuns,
    get sealed() {
      return stage.sealed
    },
    stopDraining: (cause) => stage.stopDraining(cause),
    stopFilling: (cause) => stage.stopFilling(cause),
    async remove() {
      await calls.note('stage removed')
      await stage.remove()
    },
    async [Symbol.asyncDispose]() {
      await calls.note('stage disposed')
      await stage[Symbol.asyncDispose]()
    },
  })
  return {
    async begin(run, options) {
      const stage = await staging.begin(run, options)
      try {
        await calls.note('stage begun')
      } catch (error) {
        await stage[Symbol.asyncDispose]()
        throw error
      }
      return watched(stage)
    },
    async *resumable(job, options) {
      for await (const stage of staging.resumable(job, options)) yield watched(stage)
    },
  }
}

/** A committed backup with these files, as if it had been stored. */
export function addBackup(
  repository: RecordingRepository,
  id: string,
  items: Readonly<Record<string, Readonly<Record<string, string>>>>,
  extra: Partial<Backup> = {},
): Backup {
  const stored = new Map<string, StoredFile[]>()
  for (const [item, files] of Object.entries(items)) {
    const list = Object.entries(files).map(([name, text]) => {
      const bytes = Buffer.from(text)
      return { name, bytes, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
    })
    stored.set(item, list)
  }
  const manifestItems = [...stored].map(([item, files]) => ({ item, facts: {}, files: files.map(plain) }))
  const backup = { ...backupOf({ job: 'shop', id, beganAt: facts.consistentAt }, '1', facts, manifestItems), ...extra }
  repository.backups.push(backup)
  repository.files.set(id, stored)
  return backup
}

/** A plan for these items of the first of the backups, as an agent would make it for an empty target. */
export function planOf(backups: readonly Backup[], items = ['a']): RestorePlan {
  return {
    contract: 'restore-plan/1',
    id: 'plan',
    application: 'test',
    backups: backups.map(({ id }) => id),
    target: { id: 't', name: 't', fingerprint: 'f' },
    items: items.map((item) => ({ item, to: item, backup: backups[0]?.id ?? '', overwrites: [] })),
    steps: [],
    problems: [],
    request: { rename: {}, overwrite: false, options: {} },
  }
}

export function unreachable(): BackupError {
  return new BackupError('nobody answers at store.example.com', { code: 'UNREACHABLE', hint: 'Check the network.' })
}
