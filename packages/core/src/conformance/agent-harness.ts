import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  Agent,
  Backup,
  Capture,
  CaptureRequest,
  Json,
  OperationOptions,
  PlanStep,
  Position,
  Problem,
  RestoredFiles,
  RestorePlan,
  RestoreReport,
  RestoreTarget,
  Scratch,
  ScratchRequest,
} from '../contracts/index.ts'
import { stall } from '../testing/faults.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { restoredFilesOf } from '../testing/memory-restored-files.ts'
import { createMemoryStage, type MemoryStage } from '../testing/memory-stage.ts'
import { eventually } from './conformance-check.ts'

/** A server with data of its own, and an agent for it. */
export interface AgentServer {
  readonly agent: Agent
  /**
   * Everything on the server that an operation could change: data, definitions, logs, settings. A value that is equal
   * as long as nothing has changed.
   */
  observe(): Promise<unknown>
  /** The data of one item, comparable between servers; `undefined` when there is none. */
  content(item: string): Promise<unknown>
  /** Whether anything of the agent is still on the server: sessions, locks, backup modes, temporary objects. */
  busy(): Promise<boolean>
  /** Changes the data of this item as its users would; creates it where it does not exist. */
  change(item: string): Promise<void>
  /** Where the server is now: right after its last change. Needed of an agent with `pointInTime`. */
  readonly position?: () => Promise<Position>
  /** What its clock shows now, ISO 8601 in UTC; that of this process when left out. */
  readonly now?: () => Promise<string>
  /** Ends every session as a server that dies; it can be connected to again afterwards. Left out where an agent that follows cannot be tried so. */
  readonly breakOff?: () => Promise<void>
  /** Removes all logs that are there. Left out where an agent that follows cannot be tried so. */
  readonly purgeLogs?: () => Promise<void>
}

export interface AgentHarness {
  /** Holds at least two items with data, one of them large enough to be copied in more than one chunk. */
  readonly source: AgentServer
  /** Items of the source that a full captures. */
  readonly items: readonly string[]
  /** A second server of the same application, empty. */
  readonly target: AgentServer
  /** Lets the capture of this item fail, and of no other. Left out where the application has no such thing. */
  readonly failItem?: (item: string) => Promise<void>
  /** Texts that must not come out anywhere, such as the passwords in the settings. */
  readonly secrets?: readonly string[]
  /** Two changes have to be so many milliseconds apart to be told apart by their time; 1 when left out. */
  readonly clockMilliseconds?: number
  /** Restore options of the agent that the round trip needs. */
  readonly restoreOptions?: Readonly<Record<string, Json>>
  /** Needed of an agent that opens scratch places. */
  readonly scratch?: ScratchHarness
  readonly dispose?: () => Promise<void>
}

export interface ScratchHarness {
  readonly places: readonly ScratchRequest['place'][]
  /** As of a request. */
  readonly directory?: string
  /** Everything that a place leaves where it is not removed: folders, processes, sessions, names on the server of the target. Equal where nothing is left. */
  remains(): Promise<unknown>
  /**
   * Something that was restored to this place, on the server of the target, cannot be removed from now on; disposing lets it go, and removes it. Left out where
   * a test cannot bring that about: what an agent says then is not checked there.
   */
  hinder?(scratch: Scratch): Promise<AsyncDisposable>
}

export interface Captured {
  readonly stage: MemoryStage
  readonly backup: Backup
  readonly repository: MemoryRepository
}

export function fullRequest(more: Partial<CaptureRequest> = {}): CaptureRequest {
  return { job: 'conformance', kind: 'full', chain: [], ...more }
}

let runs = 0

/** Runs `act` with a stage that has a directory of its own, which is gone afterwards. */
export async function withStage<Result>(act: (stage: MemoryStage, directory: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-conformance-'))
  const id = `run-${String(++runs).padStart(6, '0')}`
  try {
    return await act(createMemoryStage({ directory, run: { job: 'conformance', id, beganAt: new Date().toISOString() } }), directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** One whole backup, as the pipeline makes it, with somebody looking on. */
export async function backUpOnce(
  agent: Agent,
  request: CaptureRequest = fullRequest(),
  onlooker: { readonly afterBegin?: () => Promise<void>; readonly beforeConfirm?: (capture: Capture) => Promise<void> } = {},
): Promise<Captured> {
  const repository = createMemoryRepository()
  return await withStage(async (stage) => {
    const capture = await agent.beginCapture(request)
    try {
      await onlooker.afterBegin?.()
      await capture.copyTo(stage.stage)
      await stage.stage.seal(capture.facts)
      const backup = await repository.store({ run: stage.run, agent: { version: agent.version } }, stage.contents)
      await onlooker.beforeConfirm?.(capture)
      await capture.confirm()
      return { stage, backup, repository }
    } finally {
      await capture[Symbol.asyncDispose]()
    }
  })
}

/** Runs `act` with the files of these backups; local copies are gone afterwards. */
export function withFiles<Result>(
  captured: Captured,
  backups: readonly Backup[],
  act: (files: RestoredFiles) => Promise<Result>,
): Promise<Result> {
  return withFilesOf(captured.repository, backups, act)
}

export async function withFilesOf<Result>(
  repository: MemoryRepository,
  backups: readonly Backup[],
  act: (files: RestoredFiles) => Promise<Result>,
): Promise<Result> {
  const scratch = await mkdtemp(join(tmpdir(), 'agent-conformance-'))
  try {
    return await act(await restoredFilesOf(repository, backups, scratch))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

export async function planOnto(
  harness: AgentHarness,
  captured: Captured,
  target: RestoreTarget,
  items?: readonly string[],
): Promise<RestorePlan> {
  const options = harness.restoreOptions
  const plan = await harness.target.agent.planRestore({
    backups: [captured.backup],
    ...(items === undefined ? {} : { items }),
    target: { ...(options === undefined ? {} : { options }), ...target },
  })
  const stored = JSON.parse(JSON.stringify(plan)) as RestorePlan
  assert.deepEqual(stored, plan, 'a plan must be a value that JSON keeps')
  return stored
}

/** Aborts when the second file is asked for, and never gives it. */
export function stalledAtSecondFile(files: RestoredFiles, abort: () => void): RestoredFiles {
  let given = 0
  return {
    inventory: files.inventory,
    async *stream(select, options) {
      for await (const file of files.stream(select)) {
        if (given++ > 0) {
          await file.release()
          abort()
          await stall('read of the second file', options?.signal)
        }
        yield file
      }
    },
  }
}

/** Executes a plan made by `planOnto`, with the files of the captured backup. */
export async function restoreOnto(
  harness: AgentHarness,
  captured: Captured,
  plan: RestorePlan,
  options: OperationOptions = {},
): Promise<RestoreReport> {
  return await withFiles(captured, [captured.backup], (files) => harness.target.agent.restore(plan, files, options))
}

export function firstOf(items: readonly string[]): string {
  const [first] = items
  assert.ok(first !== undefined, 'the harness must name items')
  return first
}

export function assertNumbered(steps: readonly PlanStep[]): void {
  assert.deepEqual(
    steps.map((step) => step.number),
    steps.map((_, index) => index + 1),
    'steps are numbered from 1',
  )
}

export function assertNoErrors(problems: readonly Problem[], because: string): void {
  assert.deepEqual(
    problems.filter((problem) => problem.severity === 'error'),
    [],
    because,
  )
}

export async function assertUnchanged(server: AgentServer, before: unknown, what: string): Promise<void> {
  assert.deepEqual(await server.observe(), before, `${what} must not change the server`)
}

export async function assertReleased(server: AgentServer, what: string): Promise<void> {
  await eventually(async () => !(await server.busy()), `release of everything on the server after ${what}`)
}
