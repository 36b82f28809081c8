import { BackupError } from '@backup-planet/core'
import { isPartOf } from '../part-name.ts'
import type { SftpSession } from '../session/sftp-session.ts'
import { isStatus, SftpFailure, sftpStatus } from '../sftp-errors.ts'
import { entriesOf, find } from '../sftp-tree.ts'
import type { Target } from './upload-target.ts'

/** With less than this a disk counts as full: a request is as large as a quarter of it. */
const fewBytes = 1024 * 1024

/** What servers answer to a request for a file that is not there; some have one answer for all failures. */
const mayMeanMissing = [sftpStatus.NO_SUCH_FILE, sftpStatus.FAILURE, 10]

/** Requests that change something; what they answer "Failure" to is told from what the server says of its disk. */
const changes = /^(write|fsync|close|open|mkdir|rename|posix-rename)$/

/** An upload that failed, with what is known of it. */
export interface FailedUpload {
  readonly session: SftpSession
  readonly what: string
  readonly root: string
  readonly destination: string
  readonly target: Target
  /** Path of what was being written, once there was something, and since when by the clock of the server. */
  readonly part: { readonly path: string; readonly since: number } | undefined
}

/** Why an upload failed, where the server says it and its answer does not; the error as it is otherwise. */
export async function reasonOf(error: unknown, upload: FailedUpload): Promise<unknown> {
  const { session, root, destination } = upload
  if (session.lost() !== undefined) return error
  if (await isPartGone(error, upload)) return (await isStoredByAnother(upload)) ? takenOver(upload, error) : gone(upload, error)
  if (!(error instanceof SftpFailure) || error.status !== sftpStatus.FAILURE || !changes.test(error.request)) return error
  const space = session.abilities.statvfs ? await session.space(root).catch(() => undefined) : undefined
  if (space?.isReadOnly === true) return readOnly(destination, error)
  const isWrite = error.request === 'write' || error.request === 'fsync'
  const isFull = space === undefined ? isWrite : space.freeBytes <= fewBytes
  return isFull ? outOfSpace(destination, space?.freeBytes, error) : error
}

async function isPartGone(error: unknown, { session, part }: FailedUpload): Promise<boolean> {
  const mayBe = isStatus(error, ...mayMeanMissing) || (BackupError.is(error) && error.code === 'CORRUPTED')
  if (!mayBe || part === undefined) return false
  return (await find(session, part.path).catch(() => 'unknown' as const)) === undefined
}

/** Another upload of the same content goes on with a part under a name of its own, and puts that in its place. */
async function isStoredByAnother({ session, target, part }: FailedUpload): Promise<boolean> {
  const { identity, folder, name, path, size } = target
  if (identity === undefined || part === undefined) return false
  try {
    for await (const entry of entriesOf(session, folder)) if (isPartOf(entry.name, name, identity)) return true
    const found = await find(session, path)
    return found?.kind === 'file' && found.size === size && found.modified.getTime() >= part.since
  } catch {
    return false
  }
}

function takenOver({ what }: FailedUpload, cause: unknown): BackupError {
  return new BackupError(`${what}: another run stores the same object and has taken over what this one had sent`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'Nothing is lost: the other run stores it, or this one does when it is tried again. Let no two runs of a job overlap.',
    cause,
  })
}

/** What ProFTPD does with mod_quotatab: a file that goes beyond the quota is written to its end, and removed when it is closed, without a word. */
function gone({ what, destination }: FailedUpload, cause: unknown): BackupError {
  return new BackupError(`${what}: the server has removed what was sent before it was put in its place`, {
    code: 'OUT_OF_SPACE',
    hint: `Most likely the quota behind ${destination} is used up: some servers remove what goes beyond it. Raise the quota or free space; where there is none, look for what removes files named .part on the server.`,
    cause,
  })
}

function readOnly(destination: string, cause: unknown): BackupError {
  return new BackupError(`${destination} is on a file system that is mounted read-only`, {
    code: 'ACCESS_DENIED',
    hint: 'Mount it for writing on the server; a disk that fails is often made read-only by the system itself, and then its log says why.',
    cause,
  })
}

function outOfSpace(destination: string, freeBytes: number | undefined, cause: unknown): BackupError {
  return new BackupError(`${destination} has ${freeBytes === undefined ? 'failed to write' : `${freeBytes} bytes of space left`}`, {
    code: 'OUT_OF_SPACE',
    hint: `The disk or the quota behind ${destination} is ${freeBytes === undefined ? 'most likely ' : ''}full: free space or raise the quota, then run again; nothing was left half-written.`,
    cause,
  })
}

/** What was taken over from another upload is sent anew when it is tried again. */
export function otherOnServer(what: string, found: string, isTakenOver: boolean): BackupError {
  return new BackupError(`${what}: the server holds ${found}`, {
    code: 'CORRUPTED',
    ...(isTakenOver ? { retryable: true } : {}),
    hint: 'Another program changed the file meanwhile, or the disk of the server is damaged: check both and try again.',
  })
}
