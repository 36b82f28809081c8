import { type OperationOptions, throwIfAborted } from '@backup-planet/core'
import { walkTree } from '../read/tree-walk.ts'
import type { ResticSession } from '../restic-session.ts'
import { shownPath } from './path-selection.ts'
import { snapshotById } from './snapshot-listing.ts'

/** A file, folder, link or device in a snapshot. */
export interface SnapshotEntry {
  /** Begins with a slash. Bytes that are no UTF-8 are shown as U+FFFD; `pathBytes` has them. */
  readonly path: string
  /** The same path, exactly. */
  readonly pathBytes: Uint8Array
  /** As restic calls it: `file`, `dir`, `symlink`, `dev`, `chardev`, `fifo`, `socket`. */
  readonly type: string
  /** Bytes of a file; 0 of everything else. */
  readonly size: number
  /** POSIX permission bits with set-user-id, set-group-id and sticky. */
  readonly mode: number
  /** ISO 8601, with up to nine digits of a second; `undefined` where the snapshot does not say. */
  readonly modifiedAt: string | undefined
}

/**
 * Everything in a snapshot, folders before what is in them. Throws `NOT_FOUND`, `INVALID_INPUT`, and `CORRUPTED` for a tree that is
 * damaged or makes no sense.
 */
export async function* snapshotEntries(session: ResticSession, id: string, options: OperationOptions): AsyncGenerator<SnapshotEntry, void> {
  throwIfAborted(options.signal, 'listing the snapshot')
  const { record } = await snapshotById(session, id, options)
  for await (const { path, node } of walkTree(session, record.tree, options)) {
    throwIfAborted(options.signal, 'listing the snapshot')
    const { type, size, mode, modifiedAt } = node
    yield { path: shownPath(path), pathBytes: pathBytes(path), type, size: type === 'file' ? size : 0, mode, modifiedAt }
  }
}

function pathBytes(path: readonly Buffer[]): Buffer {
  return Buffer.concat(path.flatMap((name) => [slash, name]))
}

const slash = Buffer.from('/')
