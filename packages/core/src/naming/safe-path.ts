import { BackupError } from '../errors/backup-error.ts'

/** Longest segment in bytes on common file systems. */
const longestSegment = 255
const longestPath = 4096

/**
 * Returns `path` when it is a relative POSIX path that cannot leave the folder it is resolved in, on any platform.
 * Throws `INVALID_INPUT` otherwise. Backups are read from places that others may have written to: nothing that comes from
 * one becomes a path without passing here.
 *
 * @param what named in the message, such as `archive entry`
 */
export function assertSafePath(path: string, what: string): string {
  const reason = unsafeReason(path)
  if (reason === undefined) return path
  throw new BackupError(`${what} ${JSON.stringify(abbreviated(path))} is refused: ${reason}`, {
    code: 'INVALID_INPUT',
    hint: 'Nothing was written. If this name comes from a backup, the backup was tampered with or damaged; use another one.',
  })
}

export function isSafePath(path: string): boolean {
  return unsafeReason(path) === undefined
}

function unsafeReason(path: string): string | undefined {
  if (path === '') return 'it is empty'
  // Written as UTF-8 it would become another name, under which nobody finds it.
  if (!path.isWellFormed()) return 'it contains half of a surrogate pair'
  if (Buffer.byteLength(path) > longestPath) return `it is longer than ${longestPath} bytes`
  if (path.includes('\0')) return 'it contains NUL'
  if (path.includes('\\')) return 'it contains a backslash'
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'it is an absolute path'
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') return `it contains the segment "${segment}"`
    if (Buffer.byteLength(segment) > longestSegment) return `it has a segment longer than ${longestSegment} bytes`
  }
  return undefined
}

function abbreviated(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text
}
