import type {
  Backup,
  CaptureFacts,
  Finding,
  Json,
  Repository,
  StageContents,
  StagedFile,
  StagedRun,
  StageEvent,
  VerifyRequest,
} from '@backup-planet/core'
import { collect, once, sha256Of } from '../byte-streams.ts'

/** A stage in memory: events in, notes kept, files that know whether they were released. */
export interface TestFile {
  readonly item: string
  readonly name: string
  readonly bytes: Uint8Array
}

export class TestStage {
  readonly notes: Json[] = []
  readonly released = new Set<string>()
  readonly events: readonly (StageEvent | TestFile)[]
  readonly budget: number
  failure: Error | undefined
  beforeFailure: Promise<unknown> = Promise.resolve()
  /** As if a later run came back to it, unless a test says otherwise. */
  sealed = true
  opened = 0

  constructor(events: readonly (StageEvent | TestFile)[], budget = Number.MAX_SAFE_INTEGER) {
    this.events = events
    this.budget = budget
  }

  get contents(): StageContents {
    const stage = this
    return {
      budget: this.budget,
      sealed: this.sealed,
      get notes() {
        return [...stage.notes]
      },
      async note(note) {
        stage.notes.push(JSON.parse(JSON.stringify(note)))
      },
      async *drain(options = {}) {
        for (const event of stage.events) {
          if (options.signal?.aborted) throw options.signal.reason
          if (event instanceof Object && 'bytes' in event) {
            if (!stage.released.has(JSON.stringify([event.item, event.name]))) yield { type: 'file', file: stage.#file(event as TestFile) }
          } else yield event as StageEvent
        }
        await stage.beforeFailure
        if (stage.failure !== undefined) throw stage.failure
      },
    }
  }

  #file(file: TestFile): StagedFile {
    const { item, name, bytes } = file
    const key = JSON.stringify([item, name])
    return {
      item,
      name,
      size: bytes.byteLength,
      sha256: sha256Of(bytes),
      open: (range) => {
        if (this.released.has(key)) throw new TypeError(`${key} was released`)
        this.opened++
        return once(bytes.subarray(range?.begin ?? 0, range?.end))
      },
      release: async () => {
        this.released.add(key)
      },
    }
  }
}

export const testRun: StagedRun = { job: 'shop', id: 'run-1', beganAt: '2026-11-22T08:00:00.000Z', kind: 'full' }

export const testFacts: CaptureFacts = {
  application: 'test',
  source: { id: 's1', name: 'db1.example.com', version: '1' },
  kind: 'full',
  consistentAt: '2026-11-22T08:00:01.000Z',
  facts: { lines: 'a\u000bb' },
  restoreGuide: 'Load the files.',
}

export const sealed: StageEvent = { type: 'sealed', facts: testFacts }

export function itemSealed(item: string): StageEvent {
  return { type: 'item', item: { item, facts: {} } }
}

export function itemFailed(item: string): StageEvent {
  return { type: 'item-failed', item, failure: { code: 'APPLICATION', message: 'it broke' } }
}

/** A stage with these files, each item sealed after its last file. */
export function stageOf(files: readonly TestFile[], budget?: number): TestStage {
  const items = [...new Set(files.map((file) => file.item))]
  return new TestStage([...items.flatMap((item) => [...files.filter((file) => file.item === item), itemSealed(item)]), sealed], budget)
}

export function storeStage(repository: Repository, stage: TestStage, run: StagedRun = testRun, signal?: AbortSignal): Promise<Backup> {
  return repository.store({ run, agent: { version: '1.0.0' } }, stage.contents, { signal })
}

export async function readAll(repository: Repository, backup: Backup): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  for await (const file of repository.read(backup, () => true))
    found.set(JSON.stringify([file.item, file.name]), await collect(file.content))
  return found
}

export async function listed(repository: Repository, problems: string[] = []): Promise<Backup[]> {
  const backups: Backup[] = []
  const onProgress = (progress: { type: string; problem?: { code: string } }) => {
    if (progress.type === 'problem' && progress.problem) problems.push(progress.problem.code)
  }
  for await (const backup of repository.list({}, { onProgress })) backups.push(backup)
  return backups
}

export async function findingsOf(repository: Repository, request: VerifyRequest): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of repository.verify(request)) findings.push(finding)
  return findings
}
