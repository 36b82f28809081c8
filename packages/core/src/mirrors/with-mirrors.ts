import type { Backup, OperationOptions, Problem, Repository, StageContents, StoreRequest, UnfinishedFilter } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type MirroredBranch, mirrorContents } from './mirrored-contents.ts'

/**
 * A repository that has every new backup stored in others as well: captured once, staged once, and committed in each by itself. What the
 * first commits is the backup, by which the chain goes on and the application is told; a mirror that fails does not hold it up, and is told of as a
 * problem: `copyBackup` puts there what it misses. Once the first has failed, nobody goes on.
 *
 * Everything else is done with the first alone; a mirror is a repository like any other, to be listed, verified, restored from and
 * cleaned up by itself. Disposing it disposes all. Takes no streams, since a content that passes once can be read by one only.
 * Throws `INVALID_SETTINGS` when two of them have the same destination.
 */
export function withMirrors(first: Repository, mirrors: readonly Repository[]): Repository {
  assertDifferent([first, ...mirrors])
  const { streams: _, ...supports } = first.supports

  return {
    contract: first.contract,
    destination: first.destination,
    supports,

    async initialize(options) {
      let created = false
      for (const repository of [first, ...mirrors]) created = (await repository.initialize?.(options))?.created === true || created
      return { created }
    },

    async store(request, contents, options = {}) {
      throwIfAborted(options.signal, 'storing the backup')
      return await storeInAll(first, mirrors, request, contents, options)
    },

    async removeUnfinished(request, options = {}) {
      const report = await first.removeUnfinished(request, options)
      for (const mirror of mirrors) await removeUnfinishedOf(mirror, request, options)
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
      const ends = await Promise.allSettled([first, ...mirrors].map((repository) => repository[Symbol.asyncDispose]()))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    },
  }
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

async function storeInAll(
  first: Repository,
  mirrors: readonly Repository[],
  request: StoreRequest,
  contents: StageContents,
  options: OperationOptions,
): Promise<Backup> {
  const mirrored = mirrorContents(
    contents,
    [first, ...mirrors].map(({ destination }) => destination),
  )
  const [ofFirst, ...branches] = mirrored.branches
  if (ofFirst === undefined) throw new TypeError('there is no first repository')
  const failing = new AbortController()
  const signal = options.signal === undefined ? failing.signal : AbortSignal.any([options.signal, failing.signal])

  const storeInFirst = async (): Promise<Backup> => {
    try {
      const backup = await first.store(request, ofFirst.contents, { ...options, signal })
      await ofFirst.leave()
      return backup
    } catch (error) {
      failing.abort(error)
      throw error
    }
  }
  const storeInMirror = async (mirror: Repository, branch: MirroredBranch): Promise<void> => {
    try {
      if (branch.missed) throw freedBefore(request.run.id)
      // What the first says of its progress is that of the run.
      await mirror.store(request, branch.contents, { signal, onProgress: problemsOnly(options) })
      await branch.leave()
    } catch (error) {
      // A stage that will be sent again is kept for the mirror too.
      if (signal.aborted) return
      await (branch.missed ? branch.leave() : branch.miss())
      options.onProgress?.({ type: 'problem', problem: missing(mirror, request, error) })
    }
  }
  const [stored] = await Promise.allSettled([
    storeInFirst(),
    ...mirrors.map((mirror, at) => storeInMirror(mirror, branches[at] as MirroredBranch)),
  ] as const)
  await mirrored.close()
  if (stored.status === 'rejected') throw stored.reason
  return stored.value
}

function problemsOnly({ onProgress }: OperationOptions): OperationOptions['onProgress'] {
  return (progress) => {
    if (progress.type === 'problem') onProgress?.(progress)
  }
}

async function removeUnfinishedOf(mirror: Repository, request: UnfinishedFilter, options: OperationOptions): Promise<void> {
  try {
    await mirror.removeUnfinished(request, options)
  } catch (error) {
    throwIfAborted(options.signal, 'removing what killed runs had sent')
    options.onProgress?.({
      type: 'problem',
      problem: {
        severity: 'warning',
        code: codeOf(error),
        message: `what killed runs had sent to ${mirror.destination} could not be removed: ${messageOf(error)}`,
        hint: 'It takes room and does no harm; the next run tries again.',
      },
    })
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

function freedBefore(id: string): BackupError {
  return new BackupError(`an earlier attempt could not send run ${id} there, and its staged files are gone in part`, {
    code: 'NOT_FOUND',
    hint: 'The other repositories have the whole backup.',
  })
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
