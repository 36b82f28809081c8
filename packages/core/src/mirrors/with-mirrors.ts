import type { Backup, OperationOptions, Problem, Repository, StageContents, StoreRequest } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type MirroredBranch, mirrorContents } from './mirrored-contents.ts'

const mirrored = new WeakSet<Repository>()

/** Whether it knows what earlier attempts with mirrors have noted. */
export function hasMirrors(repository: Repository): boolean {
  return mirrored.has(repository)
}

/**
 * A repository that has every new backup stored in others as well: captured once, staged once, and committed in each by itself. What the
 * first commits is the backup, by which the chain goes on and the application is told; a mirror that fails does not fail it, and is told of as a
 * problem: `copyBackup` puts there what it misses. Where the first fails, nobody goes on, and the stage is sent to all of them later. `store` resolves
 * when all have ended, so a slow mirror makes a run longer.
 *
 * Everything else is done with the first alone; a mirror is a repository like any other, to be listed, verified, restored from and
 * cleaned up by itself. Disposing it disposes all. Takes no streams when there are mirrors, since a content that passes once can be read by one only.
 * Throws `INVALID_SETTINGS` when two of them have the same destination.
 */
export function withMirrors(first: Repository, mirrors: readonly Repository[]): Repository {
  assertDifferent([first, ...mirrors])
  const { streams, ...supports } = first.supports

  const together: Repository = {
    contract: first.contract,
    destination: first.destination,
    supports: { ...supports, ...(streams === undefined || mirrors.length > 0 ? {} : { streams }) },

    async initialize(options = {}) {
      const created = await first.initialize?.(options)
      const what = (mirror: Repository) => `${mirror.destination} could not be made ready`
      await inEveryMirror(mirrors, options, what, async (mirror) => void (await mirror.initialize?.(options)))
      return { created: created?.created === true }
    },

    async store(request, contents, options = {}) {
      throwIfAborted(options.signal, 'storing the backup')
      return await storeInAll(first, mirrors, request, contents, options)
    },

    async removeUnfinished(request, options = {}) {
      const report = await first.removeUnfinished(request, options)
      const what = (mirror: Repository) => `what killed runs had sent to ${mirror.destination} could not be removed`
      await inEveryMirror(mirrors, options, what, async (mirror) => void (await mirror.removeUnfinished(request, options)))
      return report
    },

    list: (filter, options) => first.list(filter, options),
    inventory: (backup, options) => first.inventory(backup, options),
    open: (backup, file, range, options) => first.open(backup, file, range, options),
    read: (backup, select, options) => first.read(backup, select, options),
    remove: (backups, options) => first.remove(backups, options),
    verify: (request, options) => first.verify(request, options),
    ...optionalOf(first),

    async [Symbol.asyncDispose]() {
      // Nothing is lost when a mirror cannot be closed in order.
      await Promise.allSettled(mirrors.map((mirror) => mirror[Symbol.asyncDispose]()))
      await first[Symbol.asyncDispose]()
    },
  }
  mirrored.add(together)
  return together
}

function optionalOf(first: Repository): Partial<Repository> {
  return {
    ...(first.readGuide === undefined ? {} : { readGuide: first.readGuide.bind(first) }),
    ...(first.storedBytes === undefined ? {} : { storedBytes: first.storedBytes.bind(first) }),
    ...(first.keys === undefined ? {} : { keys: first.keys }),
    ...(first.prune === undefined ? {} : { prune: first.prune.bind(first) }),
    ...(first.rebuildIndex === undefined ? {} : { rebuildIndex: first.rebuildIndex.bind(first) }),
    ...(first.stats === undefined ? {} : { stats: first.stats.bind(first) }),
    ...(first.locks === undefined ? {} : { locks: first.locks.bind(first) }),
    ...(first.unlock === undefined ? {} : { unlock: first.unlock.bind(first) }),
  }
}

type MirrorOutcome = { readonly error?: unknown } | undefined

async function storeInAll(
  first: Repository,
  mirrors: readonly Repository[],
  request: StoreRequest,
  contents: StageContents,
  options: OperationOptions,
): Promise<Backup> {
  const together = await mirrorContents(contents, [first.destination, ...mirrors.map(({ destination }) => destination)])
  const [ofFirst, ...branches] = together.branches as [MirroredBranch, ...MirroredBranch[]]
  const failing = new AbortController()
  const signal = options.signal === undefined ? failing.signal : AbortSignal.any([options.signal, failing.signal])

  const storeInFirst = async (): Promise<Backup> => {
    try {
      if (ofFirst.missed) throw freedBefore(request.run.id, first.destination)
      return await first.store(request, ofFirst.contents, { ...options, signal })
    } catch (error) {
      // Whatever ended the stage ended this one too.
      const reason = failing.signal.aborted && options.signal?.aborted !== true ? failing.signal.reason : error
      if (BackupError.is(reason) && reason.retryable) together.keepForLater()
      failing.abort(reason)
      throw reason
    }
  }
  /** What it failed with; a failure of the stage itself ends the first as well. */
  const storeInMirror = async (mirror: Repository, branch: MirroredBranch): Promise<MirrorOutcome> => {
    try {
      if (branch.missed) throw freedBefore(request.run.id, mirror.destination)
      // What the first says of its progress is that of the run.
      await mirror.store(request, branch.contents, { signal, onProgress: problemsOnly(options) })
    } catch (error) {
      if (!signal.aborted) await branch.giveUp().catch((reason: unknown) => failing.abort(reason))
      return { error }
    }
    await branch.leave().catch((reason: unknown) => failing.abort(reason))
    return undefined
  }
  const stores = mirrors.map((mirror, at) => storeInMirror(mirror, branches[at] as MirroredBranch))
  const [stored, ...outcomes] = await Promise.all([settled(storeInFirst(), () => ofFirst.leave()), ...stores])
  await together.close()
  if ('error' in stored) throw stored.error
  // Only now it is known that there is a backup that can be missed.
  for (const [at, outcome] of outcomes.entries()) {
    const mirror = mirrors[at]
    if (outcome !== undefined && mirror !== undefined)
      options.onProgress?.({ type: 'problem', problem: missing(mirror, request, outcome.error) })
  }
  return stored.value
}

/** A record that is written is a backup, whatever comes after it. */
async function settled(
  store: Promise<Backup>,
  leave: () => Promise<void>,
): Promise<{ readonly value: Backup } | { readonly error: unknown }> {
  try {
    const value = await store
    await leave().catch(() => undefined)
    return { value }
  } catch (error) {
    return { error }
  }
}

function problemsOnly({ onProgress }: OperationOptions): OperationOptions['onProgress'] {
  return (progress) => {
    if (progress.type === 'problem') onProgress?.(progress)
  }
}

/** @param what begins the message about one that fails, which keeps none of the others from it */
async function inEveryMirror(
  mirrors: readonly Repository[],
  { signal, onProgress }: OperationOptions,
  what: (mirror: Repository) => string,
  action: (mirror: Repository) => Promise<void>,
): Promise<void> {
  for (const mirror of mirrors) {
    try {
      await action(mirror)
    } catch (error) {
      throwIfAborted(signal, what(mirror))
      if (BackupError.is(error) && error.code === 'INVALID_SETTINGS') throw error
      const hint =
        (BackupError.is(error) ? error.hint : undefined) ?? 'The repository of the job is not concerned; the next run tries again.'
      onProgress?.({
        type: 'problem',
        problem: { severity: 'warning', code: codeOf(error), message: `${what(mirror)}: ${messageOf(error)}`, hint },
      })
    }
  }
}

function missing(mirror: Repository, { run }: StoreRequest, error: unknown): Problem {
  const hint = BackupError.is(error) && error.hint !== undefined ? `${error.hint} ` : ''
  return {
    severity: 'warning',
    code: codeOf(error),
    message: `${mirror.destination} misses backup ${run.id}: ${messageOf(error)}`,
    hint: `${hint}Copy the backup there (backup-planet copy) once that works again.`,
  }
}

/** Not retryable: what is gone does not come back. */
function freedBefore(id: string, destination: string): BackupError {
  return new BackupError(
    `run ${id} cannot be sent to ${destination}: it was not there when the run began, or failed, and staged files are gone`,
    {
      code: 'NOT_FOUND',
      hint: 'The repositories that the run was sent to have its backup, or can get it.',
    },
  )
}

function assertDifferent(repositories: readonly Repository[]): void {
  const seen = new Set<string>()
  for (const { destination } of repositories) {
    if (seen.has(destination)) {
      throw new BackupError(`two repositories of one job have the destination ${destination}`, {
        code: 'INVALID_SETTINGS',
        hint: 'A mirror must lie elsewhere: give it a destination of its own.',
      })
    }
    seen.add(destination)
  }
}

function codeOf(error: unknown): Problem['code'] {
  return BackupError.is(error) ? error.code : 'UNKNOWN'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
