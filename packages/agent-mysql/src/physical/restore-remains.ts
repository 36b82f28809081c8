import { lstat, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError, ownerInName, ownerState, type Problem } from '@backup-planet/core'
import { atPlace, placeError } from './place-errors.ts'
import { syncDirectory } from './sync-directory.ts'

/** Everything that a restore puts beside a data directory begins so. */
function prefixOf(datadir: string): string {
  return `.${basename(datadir)}.backup-planet-`
}

/** Beside the data directory, and so on its disk; the process that works in it goes behind this name. */
export function workPrefix(datadir: string, plan: string): string {
  return `${prefixOf(datadir)}restore-${plan}`
}

/** Where the old directory is while the new one of a plan takes its place. */
export function asidePath(datadir: string, plan: string): string {
  return join(dirname(datadir), `${prefixOf(datadir)}replaced-${plan}`)
}

/** In a work directory once the new directory is complete: which one it is, to be known again in its place. */
export const completeMark = 'complete'

export async function identityOf(directory: string): Promise<string | undefined> {
  const facts = await lstat(directory).catch(() => undefined)
  return facts === undefined ? undefined : `${facts.dev}:${facts.ino}`
}

interface Work {
  readonly path: string
  readonly plan: string
  readonly state: 'alive' | 'dead' | 'unknown'
  /** Its new directory is the data directory. */
  readonly done: boolean
}

/** What restores into one place, of whatever plan, have left beside it, or are doing there; absolute paths. */
export interface RestoreRemains {
  readonly works: readonly Work[]
  /** The directory that was there: a restore was cut after it had set it aside, and nothing has taken its place. */
  readonly putBack: string | undefined
  /** What a restore has replaced, and was cut before it was removed. */
  readonly replaced: readonly string[]
  /** What was set aside, and nobody can tell any more what for. */
  readonly stray: readonly string[]
}

export async function readRemains(datadir: string): Promise<RestoreRemains> {
  const parent = dirname(datadir)
  const names = (await readdir(parent).catch(() => [])).filter((name) => name.startsWith(prefixOf(datadir)))
  const identity = await identityOf(datadir)
  const works: Work[] = []
  for (const name of names) {
    const plan = /^restore-([0-9a-f]+)~/.exec(name.slice(prefixOf(datadir).length))?.[1]
    const owner = plan === undefined ? undefined : ownerInName(workPrefix(datadir, plan), name)
    if (plan === undefined || owner === undefined) continue
    const path = join(parent, name)
    const mark = await readFile(join(path, completeMark), 'utf8').catch(() => undefined)
    works.push({ path, plan, state: await ownerState(owner), done: identity !== undefined && mark === identity })
  }
  const aside = names.filter((name) => name.startsWith(`${prefixOf(datadir)}replaced-`)).map((name) => join(parent, name))
  const replaced = aside.filter((path) => works.some(({ plan, done }) => done && path === asidePath(datadir, plan)))
  const others = aside.filter((path) => !replaced.includes(path))
  const isPutBack = identity === undefined && others.length === 1
  return { works, putBack: isPutBack ? others[0] : undefined, replaced, stray: isPutBack ? [] : others }
}

/** What of it a plan has to say. */
export function remainsProblems(datadir: string, { works, stray, replaced }: RestoreRemains): Problem[] {
  const running = works.find(({ state }) => state !== 'dead')
  if (running !== undefined) return [errorOf(runsAlready(running.path))]
  return [
    ...stray.map((path) => errorOf(strayAside(datadir, path))),
    ...works.map(
      ({ path, done }): Problem => ({
        severity: 'warning',
        code: 'CONFLICT',
        message: done
          ? `a restore that was cut had put its new directory in the place of ${datadir}; only ${[path, ...replaced].join(' and ')} was left`
          : `${path} was left by a restore that was cut`,
        hint: done ? 'Start the server on it; or execute this plan, which restores anew.' : 'Executing this plan removes it first.',
      }),
    ),
  ]
}

/**
 * Brings the place back to what it was before restores that were cut: sets the old directory back where none is, and removes what a restore had replaced. Returns the plans whose new
 * directory is in its place, and what could not be removed. Throws `CONFLICT` while a restore runs there, or where it cannot be told which directory belongs there.
 */
export async function recover(datadir: string): Promise<{ readonly done: readonly string[]; readonly problems: readonly Problem[] }> {
  const { works, putBack, replaced, stray } = await readRemains(datadir)
  const running = works.find(({ state }) => state !== 'dead')
  if (running !== undefined) throw runsAlready(running.path)
  if (stray[0] !== undefined) throw strayAside(datadir, stray[0])
  if (putBack !== undefined) {
    await atPlace('put back', putBack, () => rename(putBack, datadir))
    await syncDirectory(dirname(datadir))
  }
  const done = works.filter((work) => work.done)
  const problems: Problem[] = []
  for (const path of [...replaced, ...done.map((work) => work.path)]) problems.push(...(await removeReplaced(path)))
  return { done: done.map(({ plan }) => plan), problems }
}

/** Removes what is no longer needed once the new directory is in its place, which is then not undone: what cannot be removed is told. */
export async function removeReplaced(path: string): Promise<Problem[]> {
  try {
    await rm(path, { recursive: true, force: true })
    return []
  } catch (error) {
    const failure = placeError(error, 'remove', path)
    return [
      {
        severity: 'warning',
        code: BackupError.is(failure) ? failure.code : 'APPLICATION',
        message: failure instanceof Error ? failure.message : `cannot remove ${path}`,
        hint: `The restored directory is in its place. Remove ${path} as a user that may.`,
      },
    ]
  }
}

/** Bytes that removing what dead restores have left would give back. */
export async function bytesOfRemains({ works }: RestoreRemains): Promise<number> {
  let bytes = 0
  for (const { path, state } of works) {
    if (state !== 'dead') continue
    for (const name of await readdir(path, { recursive: true }).catch(() => []))
      bytes += ((await stat(join(path, name)).catch(() => undefined))?.blocks ?? 0) * 512
  }
  return bytes
}

export function runsAlready(path: string): BackupError {
  return new BackupError(`a restore works in ${path}`, {
    code: 'CONFLICT',
    hint: 'Wait until it has ended. If it ran on a machine that is gone, remove this directory.',
  })
}

function strayAside(datadir: string, path: string): BackupError {
  return new BackupError(`${path} holds what was at ${datadir} before a restore that did not end as it should`, {
    code: 'CONFLICT',
    hint: `Look into it and into ${datadir}: put it back, or remove it.`,
  })
}

function errorOf({ code, message, hint = '' }: BackupError): Problem {
  return { severity: 'error', code, message, hint }
}
