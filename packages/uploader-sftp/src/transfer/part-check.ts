import type { SftpSession } from '../session/sftp-session.ts'
import { isStatus, sftpStatus } from '../sftp-errors.ts'
import type { ResolvedSftpSettings } from '../sftp-settings.ts'
import type { Part } from './open-part.ts'
import type { RemoteHash } from './remote-hash.ts'
import { otherOnServer } from './upload-failures.ts'

export interface PartCheck {
  readonly verify: ResolvedSftpSettings['verify']
  readonly hashes: RemoteHash
  readonly what: string
  readonly signal: AbortSignal | undefined
}

/**
 * Forces a part to disk and sees that it is what was sent. One that was taken over is always compared by its hash: whoever wrote it before may
 * not have stopped. Returns when it was last written to.
 */
export async function assertWhole(
  session: SftpSession,
  part: Part,
  sent: { readonly size: number; readonly sha256: string },
  { verify, hashes, what, signal }: PartCheck,
): Promise<Date> {
  if (session.abilities.fsync) {
    await session.sync(part.handle).catch((error: unknown) => {
      if (!isStatus(error, sftpStatus.OP_UNSUPPORTED)) throw error
    })
  }
  const isTakenOver = part.kept !== undefined
  const written = await session.handleAttributes(part.handle)
  if (written.size !== sent.size) throw otherOnServer(what, `${written.size} bytes instead of ${sent.size}`, isTakenOver)
  if (verify === 'size' && !isTakenOver) return written.modified
  const byServer = verify === 'readback' ? undefined : await hashes.byServer(session, part.path, sent.size)
  if (byServer === sent.sha256) return written.modified
  const found = await readBack(session, part.path, sent.size, { hashes, what, signal })
  if (found !== sent.sha256) throw otherOnServer(what, `sha256 ${found} instead of ${sent.sha256}`, isTakenOver)
  return written.modified
}

async function readBack(
  session: SftpSession,
  path: string,
  size: number,
  { hashes, what, signal }: Omit<PartCheck, 'verify'>,
): Promise<string> {
  const handle = await session.open(path, 'r')
  try {
    return await hashes.readBack(session, handle, size, what, signal)
  } finally {
    await session.closeHandle(handle)
  }
}
