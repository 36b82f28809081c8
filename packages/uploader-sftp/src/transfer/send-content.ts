import { createHash } from 'node:crypto'
import { type CheckedContent, checkedContent, type Reopenable } from '@backup-planet/core'
import type { SftpSession } from '../session/sftp-session.ts'
import type { Part } from './open-part.ts'
import { windowBytes } from './resume-point.ts'
import { writeWindow } from './write-window.ts'

/** The kept beginning of a part is not that of the content. */
export class OtherBeginning extends Error {}

/** Sends the content, without what the part has of it already. Throws {@link OtherBeginning} when that is of something else. */
export async function sendContent(
  session: SftpSession,
  part: Part,
  content: Reopenable,
  what: string,
  signal: AbortSignal | undefined,
): Promise<ReturnType<CheckedContent['facts']>> {
  const checked = checkedContent(content, what, { signal })
  await fill(session, part, checked, what, signal)
  return checked.facts()
}

async function fill(
  session: SftpSession,
  { handle, kept }: Part,
  content: CheckedContent,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const begin = kept?.bytes ?? 0
  const window = writeWindow(session, handle, { begin, windowBytes, what, signal })
  const beginning = createHash('sha256')
  let passed = 0
  try {
    for await (const chunk of content) {
      const skipped = Math.min(chunk.byteLength, begin - passed)
      if (skipped > 0) {
        beginning.update(skipped === chunk.byteLength ? chunk : chunk.subarray(0, skipped))
        passed += skipped
        if (passed === begin && beginning.digest('hex') !== kept?.sha256) throw new OtherBeginning()
      }
      if (skipped < chunk.byteLength) await window.write(skipped === 0 ? chunk : chunk.subarray(skipped))
    }
    await window.flush()
  } finally {
    window.close()
  }
}
