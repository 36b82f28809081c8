import { setTimeout as delay } from 'node:timers/promises'
import { equalPositions } from '../chain/position-order.ts'
import type { Agent, Backup, Problem, Progress, Repository, Staging } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import type { RunEventListener } from '../events/run-event.ts'
import { backUp } from './back-up.ts'
import { readChain } from './backup-chain.ts'
import { GracePeriod } from './grace-period.ts'
import { type FollowedStore, storeFollowed } from './store-followed.ts'
import { problemOf } from './tidy.ts'

export interface FollowLogsParts {
  readonly agent: Agent
  readonly repository: Repository
  readonly staging: Staging
  readonly job: string
  /** What was changed is stored no later than so many seconds afterwards, unless another run of the job goes on then; 10 when left out. */
  readonly everySeconds?: number
  /** Or once it is so many bytes; 16 MiB when left out. */
  readonly everyBytes?: number
  /** Before following begins again after a failure: the first pause, which doubles from one to the next, and the longest; 1 and 60 when left out. */
  readonly pauseSeconds?: { readonly first: number; readonly longest: number }
  /** How long what had come when it was aborted may take to be stored; 60 when left out. */
  readonly graceSeconds?: number
  /** The clock; the system's when left out. */
  readonly now?: () => Date
}

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined
  /** Called synchronously, as that of all operations. */
  readonly onEvent?: RunEventListener | undefined
}

export interface FollowReport {
  /** How many backups were stored. */
  readonly stored: number
  /** ISO 8601 in UTC, of the server's clock: everything before it can be restored. Left out where nothing was stored. */
  readonly restorableUntil?: string
  /** The last of them, a hundred at most: following goes on for months. */
  readonly problems: readonly Problem[]
}

const problemsKept = 100
/** A full that cannot be followed is made so often in a row. */
const mostRefusals = 5
const hardlyBegunMilliseconds = 60_000

/**
 * Follows a server and stores its changes as log backups, each as safely as any other backup, until it is aborted. Begins with what is due: what
 * an earlier run could not send, then a log, or a full where no log can continue what is there.
 *
 * When the server, the repository or the staging cannot be used for now it begins again after a pause, which grows, and says so. Nothing that was
 * received is lost by that: what was captured stays sealed in the staging and is sent first, and what was not is still on the server. Backups are stored
 * in the order of what they hold: nothing is stored, nor is the server told of it, before everything that comes before it is.
 *
 * While another run of the job goes on, such as the full of a night, nothing is stored, for as long as that takes: it has the staging of the job for itself.
 * That is told as `waiting`; what has come meanwhile is stored afterwards, and is only on the server if this host is lost before.
 *
 * Aborting is the way to end it: what had come until then is stored within the grace, and the promise resolves. It rejects with `ABORTED` where
 * that was not possible; what is missing is still in the staging or on the server. Rejects with `CONFLICT` when the job is followed by somebody
 * else, `UNSUPPORTED` for an agent that cannot follow, and with every failure that does not pass by itself, such as wrong credentials or a server that
 * no full makes ready to be followed.
 */
export async function followLogs(parts: FollowLogsParts, options: FollowOptions = {}): Promise<FollowReport> {
  const { agent, staging, job } = parts
  throwIfAborted(options.signal, `following job "${job}"`)
  if (agent.follow === undefined) {
    throw new BackupError(`the agent for ${agent.application} cannot follow a server`, {
      code: 'UNSUPPORTED',
      hint: 'Make log backups on a schedule instead, if the agent can.',
    })
  }
  await using _claim = await staging.follow?.(job, { signal: options.signal })
  return await new LogFollower(parts, options).run()
}

class LogFollower {
  readonly #parts: FollowLogsParts
  readonly #options: FollowOptions
  #problems: readonly Problem[] = []
  #stored = 0
  #restorableUntil: string | undefined
  /** Why following could not go on; until what was due then is stored. */
  #failure: BackupError | undefined
  /** Whether anything came since following began anew. */
  #progressed = false
  /** The last time it ended because the server no longer had what comes next, and nothing new was stored since. */
  #lostTrack = false
  /** Why it waited the last time, until following went on. */
  #waitedFor: string | undefined
  /** When the agent said that the server sends, since it was last waited: it may have waited for that itself before. */
  #followingSince: number | undefined
  /** How often in a row following had hardly begun when the server had no longer what comes next. */
  #refusals = 0
  /** Runs that can never commit and had sent something. */
  #abandonedRuns: readonly string[] = []

  constructor(parts: FollowLogsParts, options: FollowOptions) {
    this.#parts = parts
    this.#options = options
  }

  async run(): Promise<FollowReport> {
    const { first, longest } = this.#parts.pauseSeconds ?? { first: 1, longest: 60 }
    const { signal } = this.#options
    let pause = first
    while (signal?.aborted !== true) {
      this.#progressed = false
      this.#followingSince = undefined
      try {
        await this.#begin()
      } catch (error) {
        if (signal?.aborted) throw notAllStored(error, signal, this.#parts.job)
        if (this.#progressed) pause = first
        this.#refusals = this.#wasRefused(error) ? this.#refusals + 1 : 0
        if (!BackupError.is(error) || !this.#isPassing(error)) throw error
        this.#failure = error
        this.#lostTrack = error.code === 'NOT_FOUND'
        await this.#wait(pause, error)
        pause = Math.min(longest, pause * 2)
      }
    }
    if (this.#failure !== undefined && signal !== undefined) throw notAllStored(this.#failure, signal, this.#parts.job)
    return {
      stored: this.#stored,
      ...(this.#restorableUntil === undefined ? {} : { restorableUntil: this.#restorableUntil }),
      problems: this.#problems,
    }
  }

  /** Stores what is due, then what comes. Returns when it was aborted. */
  async #begin(): Promise<void> {
    const { agent, repository, staging, job, now } = this.#parts
    const { signal, onEvent } = this.#options
    const request = { job, kind: 'log' } as const
    const { backup, problems } = await backUp({ agent, repository, staging, request, ...(now && { now }) }, { signal, onEvent })
    this.#noteStored(backup, problems)
    this.#failure = undefined
    if (isNew(backup)) this.#lostTrack = false
    if (backup.status === 'partial') throw cannotFollow(backup)
    const chain = await readChain(repository, job, { signal })
    this.#tell({ type: 'following', job })
    this.#waitedFor = undefined
    await this.#follow(chain)
  }

  async #follow(chain: readonly Backup[]): Promise<void> {
    const { agent, job, everySeconds = 10, everyBytes = 16 * 1024 ** 2 } = this.#parts
    const { signal } = this.#options
    const failing = new AbortController()
    const until = signal === undefined ? failing.signal : AbortSignal.any([signal, failing.signal])
    using storing = new GracePeriod(signal, this.#parts.graceSeconds ?? 60)
    let failure: { readonly error: BackupError; readonly keptSince: Date } | undefined
    const onProgress = (progress: Progress) => {
      if (progress.type === 'following') this.#followingSince ??= performance.now()
      if (progress.type !== 'problem') return
      this.#problems = [...this.#problems, progress.problem].slice(-problemsKept)
      this.#tell({ type: 'problem', problem: progress.problem })
    }
    for await (const capture of agent.follow?.({ job, chain, everySeconds, everyBytes }, { signal: until, onProgress }) ?? []) {
      const behind = failure === undefined ? {} : { behind: failure.error, now: () => after(failure?.keptSince, this.#parts.now) }
      const { store, error, keptSince, abandonedRuns } = await storeFollowed(
        { ...this.#parts, capture, ...behind, abandonedRuns: this.#abandonedRuns },
        { ...this.#options, signal: storing.signal },
      )
      this.#abandonedRuns = abandonedRuns
      if (store !== undefined) this.#noteFollowed(store)
      // What comes after it would continue something that is not there.
      if (store?.backup.status === 'partial') throw cannotFollow(store.backup)
      if (error === undefined) continue
      // What comes after one that is nowhere would continue something that is not there; the server still has all that was not confirmed.
      if (!BackupError.is(error) || !error.retryable || keptSince === undefined) throw failure?.error ?? error
      // What has come already is staged as well, since the server may be gone: the next beginning sends it all, in this order.
      failure = { error: failure?.error ?? error, keptSince }
      failing.abort(error)
    }
    if (failure !== undefined) throw failure.error
    if (signal?.aborted !== true) throw endedByItself(agent.application)
  }

  /**
   * Where the server no longer has what comes next, a full may be due; not where that was said before and nothing has come since, nor where one full after
   * the other changes nothing.
   */
  #isPassing({ code, retryable }: BackupError): boolean {
    return retryable || (code === 'NOT_FOUND' && (this.#progressed || (!this.#lostTrack && this.#refusals < mostRefusals)))
  }

  #wasRefused(error: unknown): boolean {
    const milliseconds = this.#followingSince === undefined ? 0 : performance.now() - this.#followingSince
    return BackupError.is(error) && error.code === 'NOT_FOUND' && !this.#progressed && milliseconds < hardlyBegunMilliseconds
  }

  #noteFollowed({ backup, problems }: FollowedStore): void {
    this.#progressed = true
    this.#noteStored(backup, problems)
  }

  #noteStored(backup: Backup, problems: readonly Problem[]): void {
    this.#stored++
    this.#problems = [...this.#problems, ...problems].slice(-problemsKept)
    if (backup.status === 'partial') return
    this.#restorableUntil = backup.consistentAt
    this.#tell({ type: 'restorable', until: backup.consistentAt, id: backup.id })
  }

  async #wait(seconds: number, error: BackupError): Promise<void> {
    const problem = problemOf(error, 'following cannot go on for now')
    const reason = `${problem.code} ${problem.message}`
    this.#tell({ type: 'waiting', seconds, problem, ...(reason === this.#waitedFor ? { repeated: true } : {}) })
    this.#waitedFor = reason
    await delay(seconds * 1000, undefined, { signal: this.#options.signal }).catch(() => undefined)
  }

  #tell(event: Parameters<RunEventListener>[0]): void {
    try {
      this.#options.onEvent?.(event)
    } catch {
      // A display that fails is not the backup's problem.
    }
  }
}

function notAllStored(error: unknown, signal: AbortSignal, job: string): unknown {
  if (BackupError.is(error) && error.code !== 'ABORTED') {
    const hint = 'What is missing is still in the staging or on the server; the next run of the job, or following it again, stores it.'
    return new BackupError(`following job "${job}" was aborted, and not all that had come could be stored: ${error.message}`, {
      code: 'ABORTED',
      hint,
      cause: error,
    })
  }
  return BackupError.is(error) ? error : abortError(signal, `following job "${job}"`)
}

/** Whether a backup holds anything that was not backed up before. */
function isNew({ kind, from, position }: Backup): boolean {
  return kind !== 'log' || from === undefined || position === undefined || equalPositions(from, position) !== 0
}

/** Stages are sent in the order in which their runs began. */
function after(last: Date | undefined, now: (() => Date) | undefined): Date {
  return new Date(Math.max((now?.() ?? new Date()).getTime(), (last?.getTime() ?? 0) + 1))
}

function cannotFollow({ id, items }: Backup): BackupError {
  const failed = items.flatMap(({ item, failure }) => (failure === undefined ? [] : [item]))
  return new BackupError(`backup ${id} is partial, ${failed.join(', ')} failed, and nothing can follow it`, {
    code: 'APPLICATION',
    hint: 'Repair what failed, or leave it out in the settings of the job, and follow it again.',
  })
}

function endedByItself(application: string): TypeError {
  return new TypeError(`the agent for ${application} stopped following by itself`)
}
