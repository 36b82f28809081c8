import { hostname } from 'node:os'
import type { NotificationChannel } from './channels/notification-channel.ts'
import { enqueue } from './delivery/delivery-rules.ts'
import { createDeliveryWorker } from './delivery/delivery-worker.ts'
import { createNotificationStore, withDelivery } from './delivery/notification-store.ts'
import { applyDigest, isDigestDue } from './rules/digest-rules.ts'
import type { DigestSchedule } from './rules/digest-schedule.ts'
import type { ListedWindow } from './rules/listed-window.ts'
import { applyOutcome, applyStart } from './rules/notification-rules.ts'
import type { NotificationState } from './rules/notification-state.ts'
import type { RuleResult } from './rules/rule-result.ts'
import type { TaskOutcome, TaskStart } from './rules/task-outcome.ts'
import { applyWindowLimits } from './rules/window-rules.ts'

export interface NotifierSettings {
  readonly channels: readonly NotificationChannel[]
  /** The jobs that are configured, for digests; `windowLimitMs` is how long what can be restored may stand still, and is not watched when left out. */
  readonly jobs: Readonly<Record<string, { readonly windowLimitMs?: number | undefined }>>
  /** None when left out. */
  readonly digest?: DigestSchedule | undefined
  /**
   * Looks up what can be restored of the jobs, for a digest that is due; it says what runs have told where this is left out, fails, or takes longer
   * than a minute.
   */
  readonly windows?: ((options: { readonly signal: AbortSignal }) => Promise<Readonly<Record<string, ListedWindow>>>) | undefined
  /** Where it is noted what was told and what is still to be sent, in a folder of its own; in memory only when left out. Several processes may share it. */
  readonly file?: string | undefined
  /** The name of this machine in messages; what the system calls it when left out. */
  readonly host?: string | undefined
  /** Takes secrets out of every text that is told. */
  readonly hide?: ((text: string) => string) | undefined
  /** Told what goes wrong with telling. */
  readonly warn?: ((text: string) => void) | undefined
  /** Milliseconds since 1970; the system's clock when left out. */
  readonly now?: (() => number) | undefined
  /** From 0 up to 1; spreads attempts. */
  readonly random?: (() => number) | undefined
  /** How often it is looked whether a window stands still or a digest is due; 60,000 when left out. */
  readonly lookEveryMs?: number | undefined
  /** How long disposing may take to send what waits; 20,000 when left out. */
  readonly flushMs?: number | undefined
}

/** A store that does not answer must not keep a digest. */
const longestLookMs = 60_000

/**
 * Takes what happens and tells whoever asked for it. Neither method waits for anything or throws: telling never blocks nor breaks a run.
 * Disposing sends what waits, within a limit; what is left is sent by the next process with the same file.
 */
export interface Notifier extends AsyncDisposable {
  started(start: TaskStart): void
  observe(outcome: TaskOutcome): void
}

export function createNotifier(settings: NotifierSettings): Notifier {
  const { channels, jobs, digest, windows, file, hide = (text) => text } = settings
  const { host = hostname(), now = Date.now, random = Math.random, lookEveryMs = 60_000, flushMs = 20_000 } = settings
  const warn = (text: string): void => {
    try {
      settings.warn?.(hide(text))
    } catch {
      // A log that fails is not the backup's problem.
    }
  }
  const facts = { host }
  const limits = Object.fromEntries(
    Object.entries(jobs).flatMap(([name, { windowLimitMs }]) => (windowLimitMs === undefined ? [] : [[name, windowLimitMs]])),
  )
  const store = createNotificationStore(file, warn)
  const worker = createDeliveryWorker({ store, channels, host, warn, hide, now, random })
  const pending = new Set<Promise<void>>()
  const ending = new AbortController()
  let digesting: Promise<void> | undefined

  function apply(rule: (state: NotificationState) => RuleResult): Promise<void> {
    const applied = store
      .update((content) => {
        const told = rule(content.rules)
        const changed = told.state === content.rules ? content : { ...content, rules: told.state }
        return [withDelivery(changed, enqueue(content.delivery, told, channels, now()), warn), undefined]
      })
      .then(() => worker.wake())
      .catch((error: unknown) => warn(`what happened could not be told: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => pending.delete(applied))
    pending.add(applied)
    return applied
  }

  function look(): void {
    const moment = new Date(now()).toISOString()
    void apply((state) => applyWindowLimits(state, moment, limits, facts))
    if (digest === undefined || digesting !== undefined) return
    const made = makeDigest(digest, moment)
      .catch((error: unknown) => warn(`no digest could be made: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        pending.delete(made)
        digesting = undefined
      })
    pending.add(made)
    digesting = made
  }

  async function makeDigest(schedule: DigestSchedule, moment: string): Promise<void> {
    const due = await store.update<boolean>((content) => [content, isDigestDue(content.rules, moment)])
    const listed = due && windows !== undefined ? await lookUp(windows) : undefined
    await apply((state) => applyDigest(state, moment, schedule, Object.keys(jobs), facts, listed))
  }

  async function lookUp(find: NonNullable<typeof windows>): Promise<Readonly<Record<string, ListedWindow>> | undefined> {
    try {
      const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(longestLookMs)])
      signal.throwIfAborted()
      // Whoever does not hear that it was aborted is not waited for.
      const { promise: enough, reject } = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      return listedWithoutSecrets(await Promise.race([find({ signal }), enough]), hide)
    } catch (error) {
      warn(`what can be restored could not be looked up for the digest: ${error instanceof Error ? error.message : String(error)}`)
      return undefined
    }
  }

  // What an earlier process could not send; whether a window stands still is only looked at once a run had the time to move it.
  worker.wake()
  const timer = setInterval(look, lookEveryMs).unref()
  return {
    started: (start) => void apply((state) => applyStart(state, start, facts)),
    observe: (outcome) => void apply((state) => applyOutcome(state, hidden(outcome, hide), facts)),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      look()
      const enough = setTimeout(() => ending.abort(), flushMs)
      while (pending.size > 0) await Promise.all(pending)
      clearTimeout(enough)
      await worker.stop(flushMs)
    },
  }
}

function listedWithoutSecrets(
  listed: Readonly<Record<string, ListedWindow>>,
  hide: (text: string) => string,
): Readonly<Record<string, ListedWindow>> {
  const clean = ({ until, problem }: ListedWindow): ListedWindow => ({
    until,
    problem: problem === undefined ? undefined : { code: problem.code, message: hide(problem.message) },
  })
  return Object.fromEntries(Object.entries(listed).map(([job, window]) => [job, clean(window)]))
}

/** Texts of servers and programs may hold what was given to them. */
function hidden(outcome: TaskOutcome, hide: (text: string) => string): TaskOutcome {
  const { failure, problems, backup } = outcome
  const clean = <Entry extends { readonly message: string; readonly hint?: string | undefined }>(entry: Entry): Entry => ({
    ...entry,
    message: hide(entry.message),
    ...(entry.hint === undefined ? {} : { hint: hide(entry.hint) }),
  })
  return {
    ...outcome,
    ...(failure === undefined ? {} : { failure: clean(failure) }),
    ...(problems === undefined ? {} : { problems: problems.map(clean) }),
    ...(backup?.failedItems === undefined ? {} : { backup: { ...backup, failedItems: backup.failedItems.map(hide) } }),
  }
}
