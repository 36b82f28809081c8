import { historyOf } from '../chain/chain-history.ts'
import type { Backup, PositionOrder, Repository, RetainedObject } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { planRetention, type RetentionDecision } from './plan-retention.ts'
import type { RetentionRules } from './retention-rules.ts'

export interface ApplyRetentionParts {
  /** Each repository of a job by itself: what one keeps does not hang on another. */
  readonly repository: Repository
  readonly job: string
  readonly rules: RetentionRules
  /** Of the agent that made the backups: `orderOf(agent)`. Without it, it would not be known which logs a full backup makes needless. */
  readonly order: PositionOrder
  /** The present when left out. */
  readonly now?: Date | undefined
  /** In which days, weeks and hours are counted: an IANA name; UTC when left out. */
  readonly timezone?: string | undefined
  /** Removes nothing. */
  readonly dryRun?: boolean | undefined
}

export interface RetentionReport {
  readonly dryRun: boolean
  /** Of every backup that was there at the beginning, oldest first. What was to go and could not is kept, with the reason. */
  readonly decisions: readonly RetentionDecision[]
  /** In the order in which they went; empty for a dry run. */
  readonly removed: readonly string[]
  /** What the store holds less, or would; left out where the repository cannot know, such as one that deduplicates. */
  readonly bytes?: number
  /** What the store refuses to remove now. A later run tries again. */
  readonly retained: readonly RetainedObject[]
}

/** Dependants before what they depend on. */
const kinds = ['log', 'differential', 'full'] as const
/** So many are handed to the repository at once. */
const batchSize = 100

/**
 * Removes from a repository what the rules do not keep of a job. What depends on others goes before them, and before each kind it is listed and
 * planned again: whenever this is cut, aborted or fails, everything that is kept can be restored, and the next run goes on. A backup
 * that the store retains keeps all that it needs, as does one that was stored meanwhile.
 *
 * Throws `CORRUPTED`, having removed nothing more, when the record of a backup cannot be read, since what that one needs is not known; `ABORTED`;
 * what `planRetention` throws; and what the repository does.
 */
export function applyRetention(parts: ApplyRetentionParts, options: RunOptions = {}): Promise<RetentionReport> {
  return reportRun(options, async (reporter) => {
    const result = await new Retention(parts, reporter, options.signal).run()
    return { result, outcome: result.retained.length > 0 ? 'partial' : 'done' }
  })
}

interface CutRemoval {
  readonly left: readonly Backup[]
  readonly reason: string | undefined
}

class Retention {
  readonly #parts: ApplyRetentionParts
  readonly #now: Date
  readonly #reporter: RunReporter
  readonly #signal: AbortSignal | undefined
  readonly #removed: string[] = []
  readonly #retained: RetainedObject[] = []
  #bytes = 0
  /** What is not removed this time, whatever the rules say, with the reason. */
  readonly #stays = new Map<string, string>()

  constructor(parts: ApplyRetentionParts, reporter: RunReporter, signal: AbortSignal | undefined) {
    this.#parts = parts
    this.#now = parts.now ?? new Date()
    this.#reporter = reporter
    this.#signal = signal
  }

  async run(): Promise<RetentionReport> {
    const { job, dryRun = false, repository } = this.#parts
    this.#reporter.emit({ type: 'started', action: 'prune', job })
    throwIfAborted(this.#signal, `the retention of job ${job}`)
    const listed = await this.#list(dryRun)
    const first = this.#plan(listed)
    const condemned = first.filter(({ action }) => action === 'remove').map(({ backup }) => backup)
    if (dryRun) return { dryRun, decisions: first, removed: [], ...bytesOf(repository, condemned), retained: [] }
    let decisions: readonly RetentionDecision[] = first
    for (const [at, kind] of kinds.entries()) {
      const allowed = new Set(condemned.filter((backup) => kinds.indexOf(backup.kind) >= at).map(({ id }) => id))
      decisions = await this.#removeKind(kind, allowed, at === 0 ? listed : undefined, decisions)
    }
    const last = new Map(decisions.map((decision) => [decision.backup.id, decision]))
    return {
      dryRun,
      decisions: first.map((decision) =>
        this.#removed.includes(decision.backup.id) ? decision : (last.get(decision.backup.id) ?? decision),
      ),
      removed: this.#removed,
      ...(repository.supports.deduplicates ? {} : { bytes: this.#bytes }),
      retained: this.#retained,
    }
  }

  /**
   * @param allowed what may go: never more than what was found at the beginning
   * @param known what was just listed
   */
  async #removeKind(
    kind: (typeof kinds)[number],
    allowed: ReadonlySet<string>,
    known: readonly Backup[] | undefined,
    before: readonly RetentionDecision[],
  ): Promise<readonly RetentionDecision[]> {
    const ofKind = before.filter(({ backup }) => backup.kind === kind && allowed.has(backup.id))
    if (ofKind.length === 0) return before
    let listed = known ?? (await this.#list())
    for (;;) {
      const decisions = this.#planWithin(listed, allowed)
      const going = decisions.filter(({ action, backup }) => action === 'remove' && backup.kind === kind).map(({ backup }) => backup)
      if (going.length === 0) return decisions
      this.#reporter.emit({ type: 'step', text: `removing ${going.length} ${kind} ${going.length === 1 ? 'backup' : 'backups'}` })
      const cut = await this.#removeAll(going.reverse())
      if (cut === undefined) return decisions
      listed = await this.#list()
      this.#noteLeft(listed, cut)
    }
  }

  /** Those that were to go when the repository left some of them; `undefined` when it left none. */
  async #removeAll(backups: readonly Backup[]): Promise<CutRemoval | undefined> {
    const { repository } = this.#parts
    for (let at = 0; at < backups.length; at += batchSize) {
      throwIfAborted(this.#signal, 'the removal of backups')
      const batch = backups.slice(at, at + batchSize)
      const { removed, bytes, retained } = await repository.remove(batch, { signal: this.#signal, onProgress: this.#reporter.onProgress })
      this.#bytes += bytes
      const gone = new Set(removed)
      const tried = batch.filter(({ id }) => gone.has(id))
      for (const { id, kind } of tried) {
        this.#removed.push(id)
        this.#reporter.emit({ type: 'removed', id, kind })
      }
      const wasCut = tried.length < batch.length
      // A repository stops at the first record that is refused; what it names before is data of backups whose records are gone.
      for (const [index, object] of retained.entries()) {
        if (wasCut && index === retained.length - 1) this.#tellRetained(object)
        else this.#tellLeftBehind(object)
      }
      if (wasCut) return { left: batch.filter(({ id }) => !gone.has(id)), reason: retained.at(-1)?.reason }
    }
    return undefined
  }

  /** The first of them that is still there was refused; those behind it were not tried. None is, where somebody else removed them. */
  #noteLeft(listed: readonly Backup[], { left, reason }: CutRemoval): void {
    const there = new Set(listed.map(({ id }) => id))
    const refused = left.find(({ id }) => there.has(id))
    if (refused === undefined) return
    if (reason === undefined) this.#tellRetained({ key: refused.id, reason: 'it is still listed' })
    this.#stays.set(refused.id, `the store retains it: ${reason ?? 'it is still listed'}`)
  }

  #tellRetained(retained: RetainedObject): void {
    const message = `the store retains ${retained.key}: ${retained.reason}`
    this.#refused(retained, message, 'It stays, with all that it needs; the next run tries again.')
  }

  #tellLeftBehind(retained: RetainedObject): void {
    const message = `the store retains ${retained.key} of a backup that was removed: ${retained.reason}`
    const hint = 'The backup is listed no more and cannot be restored; what stays of it takes room until the store lets it go.'
    this.#refused(retained, message, hint)
  }

  #refused(retained: RetainedObject, message: string, hint: string): void {
    this.#retained.push(retained)
    this.#reporter.problem({ severity: 'warning', code: 'ACCESS_DENIED', message, hint })
  }

  /** As the rules say of what is there now; what they did not say at the beginning waits for the next run. */
  #planWithin(listed: readonly Backup[], allowed: ReadonlySet<string>): RetentionDecision[] {
    for (;;) {
      const decisions = this.#plan(listed)
      const others = decisions.filter(({ action, backup }) => action === 'remove' && !allowed.has(backup.id))
      if (others.length === 0) return decisions
      for (const { backup } of others) this.#stays.set(backup.id, 'the next run decides')
    }
  }

  #plan(listed: readonly Backup[]): RetentionDecision[] {
    const { order, rules, timezone } = this.#parts
    return planRetention(historyOf(listed, order), rules, this.#now, { timezone, stays: this.#stays })
  }

  async #list(damagedToo = false): Promise<Backup[]> {
    const { repository, job } = this.#parts
    const unreadable: string[] = []
    const listed: Backup[] = []
    const options = {
      signal: this.#signal,
      onProgress: (progress: Parameters<RunReporter['onProgress']>[0]) => {
        if (progress.type === 'problem') unreadable.push(progress.problem.message)
        this.#reporter.onProgress(progress)
      },
    }
    for await (const backup of repository.list({ job }, options)) listed.push(backup)
    const [first] = unreadable
    if (first !== undefined && !damagedToo) throw notReadable(repository.destination, first)
    return listed
  }
}

function bytesOf(repository: Repository, backups: readonly Backup[]): { readonly bytes?: number } {
  if (repository.storedBytes === undefined) return {}
  let sum = 0
  for (const backup of backups) {
    const bytes = repository.storedBytes(backup)
    if (bytes === undefined) return {}
    sum += bytes
  }
  return { bytes: sum }
}

function notReadable(destination: string, reason: string): BackupError {
  return new BackupError(
    `not every record of a backup in ${destination} can be read, so what the others are needed for is not known: ${reason}`,
    {
      code: 'CORRUPTED',
      hint: 'Nothing more was removed. Verify the repository, mend or take away what is damaged there, and try again.',
    },
  )
}
