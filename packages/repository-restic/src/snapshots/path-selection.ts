import { BackupError } from '@backup-planet/core'

type PathInSnapshot = readonly Buffer[]

/** Which entries of a snapshot are wanted: paths, each with all that is below it; everything where none are given. */
export class PathSelection {
  /** Latin-1, so that every byte is one character; without slashes around. */
  readonly #included: readonly string[]

  /** @param include paths in the snapshot, as bytes where they are no UTF-8; slashes around them mean nothing */
  constructor(include: readonly (string | Uint8Array)[] = ['']) {
    this.#included = include.map((path) =>
      Buffer.from(path)
        .toString('latin1')
        .replaceAll(/^\/+|\/+$/g, ''),
    )
  }

  /** The entry itself is wanted. */
  selects(path: PathInSnapshot): boolean {
    const key = keyOf(path)
    return this.#included.some((included) => included === '' || key === included || key.startsWith(`${included}/`))
  }

  /** The entry is wanted, or something below it may be. */
  reaches(path: PathInSnapshot): boolean {
    return this.selects(path) || this.leadsTo(path)
  }

  /** The entry lies on the way to something that is wanted. */
  leadsTo(path: PathInSnapshot): boolean {
    const below = `${keyOf(path)}/`
    return this.#included.some((included) => included.startsWith(below))
  }

  /** Throws `NOT_FOUND` that names the paths that are not among `found`. */
  assertAllFound(found: Iterable<PathInSnapshot>, snapshot: string): void {
    const there = new Set(Array.from(found, keyOf))
    const missing = this.#included.filter((included) => included !== '' && !there.has(included))
    if (missing.length === 0) return
    const names = missing.map((path) => JSON.stringify(Buffer.from(path, 'latin1').toString('utf8')))
    throw new BackupError(`snapshot ${snapshot.slice(0, 8)} has no ${names.join(', ')}`, {
      code: 'NOT_FOUND',
      hint: 'List what is in the snapshot to see its paths; nothing was written.',
    })
  }
}

/** A path for people: with a slash before every name, and U+FFFD for what is no UTF-8. */
export function shownPath(path: PathInSnapshot): string {
  return path.map((name) => `/${name.toString('utf8')}`).join('')
}

function keyOf(path: PathInSnapshot): string {
  return path.map((name) => name.toString('latin1')).join('/')
}
