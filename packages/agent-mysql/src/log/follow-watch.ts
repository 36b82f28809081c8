import { setTimeout as delay } from 'node:timers/promises'
import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { readServerTime } from '../mysql-server.ts'
import { readUnloggedRestore, type UnloggedRestore, unloggedSchema, unloggedSince } from '../unlogged-restore.ts'

type Asked = Pick<MysqlSession, 'rows'>

/** What a server that is followed says beside its binlogs. */
export interface FollowLook {
  /** Its clock, ISO 8601 in UTC; left out where it has not answered in time. */
  readonly now?: string
  /** A restore that its binlogs do not hold, and that began after following did. */
  readonly restored?: UnloggedRestore
}

/** One that says nothing any more must not hold up what has come. */
const answerMilliseconds = 5000
/** How often a server that nobody writes to is asked. */
const lookMilliseconds = 5000

/** Asks a server that is followed for restores into it that its binlogs do not hold: from their beginning on these do not lead to the state that it has. */
export class FollowWatch {
  readonly #session: Asked
  readonly #known: UnloggedRestore | undefined
  /** Up to this moment of the server's clock there was none. */
  clearUntil: string

  /**
   * @param known the last such restore, as it was read before following began
   * @param since a moment up to which there was no other
   */
  constructor(session: Asked, known: UnloggedRestore | undefined, since: string) {
    this.#session = session
    this.#known = known
    this.clearUntil = since
  }

  /** Everything that came before this was called was written before any restore that it does not name. Rejects when the session is lost. */
  async look(): Promise<FollowLook> {
    const asked = this.#ask()
    asked.catch(() => undefined)
    return await Promise.race([asked, delay(answerMilliseconds, {}, { ref: false })])
  }

  async #ask(): Promise<FollowLook> {
    const now = await readServerTime(this.#session)
    const restored = await readUnloggedRestore(this.#session)
    if (restored !== undefined && !isSame(restored, this.#known)) return { now, restored }
    this.clearUntil = now
    return { now }
  }

  /** Looks again and again. Resolves with why following must end, or with `undefined` when it was aborted. */
  async untilRestored(signal: AbortSignal, pauseMilliseconds = lookMilliseconds): Promise<unknown> {
    while (!signal.aborted) {
      await delay(pauseMilliseconds, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted) break
      try {
        const { restored } = await this.look()
        if (restored !== undefined) return ledAstray(restored)
      } catch (error) {
        return error
      }
    }
    return undefined
  }
}

function isSame(one: UnloggedRestore, other: UnloggedRestore | undefined): boolean {
  return one.beganAt === other?.beganAt && one.endedAt === other.endedAt
}

/** Whether a transaction of this time, in milliseconds, was certainly committed before the restore began: times may be of whole seconds, and clocks set back. */
export function isCertainlyBefore(time: number | undefined, { beganAt }: UnloggedRestore, now: string | undefined): boolean {
  const began = Date.parse(beganAt)
  return time !== undefined && now !== undefined && Math.floor(time / 1000) * 1000 + 1000 <= began && began <= Date.parse(now)
}

/** Why a server is not followed any further. */
export function ledAstray(restored: UnloggedRestore): BackupError {
  return new BackupError(`the server cannot be followed any further: ${unloggedSince(restored, restored.beganAt)}`, {
    code: 'NOT_FOUND',
    hint: 'Make a log backup: it becomes a full one, and can be followed from then on.',
  })
}

/** How long is waited for a restore to end: one that was cut never does, and somebody has to hear of it. */
const longestMilliseconds = 15 * 60_000

/**
 * The last restore that the binlogs do not hold, once it has ended: as long as it goes on every full is one of a server that is half restored.
 * Throws `INCONSISTENT` for one that has not ended in good time: no full is followed before somebody has put that right. Aborted, it gives back what there is.
 */
export async function endedUnloggedRestore(
  session: Asked,
  { signal, onProgress }: OperationOptions,
  { pause = 5000, longest = longestMilliseconds } = {},
): Promise<UnloggedRestore | undefined> {
  const giveUpAt = performance.now() + longest
  for (let told = false; ; told = true) {
    const restored = await readUnloggedRestore(session)
    if (restored === undefined || restored.endedAt !== undefined || signal?.aborted) return restored
    if (performance.now() >= giveUpAt) throw neverEnded(restored, longest)
    if (!told) onProgress?.({ type: 'problem', problem: waitingFor(restored) })
    await delay(pause, undefined, { signal }).catch(() => undefined)
  }
}

function waitingFor(restored: UnloggedRestore) {
  return {
    severity: 'warning',
    code: 'INCONSISTENT',
    message: `the server is not followed for now: ${unloggedSince(restored, restored.beganAt)}`,
    hint: 'Nothing that is changed meanwhile is backed up. Another full backup is made when the restore has ended; following ends with an error when it has not for a quarter of an hour.',
  } as const
}

function neverEnded({ beganAt }: UnloggedRestore, waitedMilliseconds: number): BackupError {
  const minutes = Math.round(waitedMilliseconds / 60_000)
  return new BackupError(
    `the server cannot be followed: a restore that is not written to the binlogs began at ${beganAt} and has not ended in ${minutes} minutes of waiting`,
    {
      code: 'INCONSISTENT',
      retryable: false,
      hint: `If it still runs, follow the server again when it has ended. If it was cut, restore again with binlog: false and let that end; or, where it is given up for good, run DROP DATABASE IF EXISTS ${unloggedSchema}. Then make a full backup and follow the server again.`,
    },
  )
}
