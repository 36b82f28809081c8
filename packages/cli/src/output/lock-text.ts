import type { RepositoryLock } from '@backup-planet/core'
import { printable } from './output.ts'

/** Who holds a lock, and since when. */
export function lockText({ exclusive, hostname, username, pid, time, stale }: RepositoryLock): string {
  const kind = exclusive ? 'exclusive lock' : 'shared lock'
  if (time === '') return `${kind} that cannot be read`
  const holder = `${username === '' ? '' : `${username} on `}${hostname}`
  return printable(`${kind} of ${holder}${pid > 0 ? `, process ${pid}` : ''}, since ${time}${stale ? ', dead' : ''}`)
}
