import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DatadirState } from './datadir-state.ts'

/** The first directory on the way up from a path that its user may not pass through, and the command that lets it; `undefined` where it comes to the path. */
export async function closedFolder(
  from: string,
  user: NonNullable<DatadirState['owner']>,
): Promise<{ readonly path: string; readonly opened: string } | undefined> {
  if (user.uid === 0) return undefined
  for (let path = from; ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return { path, opened: `chmod ${bit === 0o100 ? 'u' : bit === 0o010 ? 'g' : 'o'}+x ${path}` }
    if (path === dirname(path)) return undefined
  }
}
