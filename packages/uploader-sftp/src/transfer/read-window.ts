import { BackupError } from '@backup-planet/core'
import type { SftpSession } from '../session/sftp-session.ts'

const fewestBytes = 4096

/**
 * The bytes of a file from `begin` to `end` in order, asked for in requests as large as the server answers, with at most `windowBytes`
 * under way. A server may answer with less than it was asked for: then the rest is asked for, and less from then on. Each chunk is memory
 * of its own. Throws `CORRUPTED` when the file ends before `end`.
 */
export async function* readWindow(
  session: SftpSession,
  handle: Buffer,
  { begin, end, windowBytes, what }: { readonly begin: number; readonly end: number; readonly windowBytes: number; readonly what: string },
): AsyncGenerator<Buffer, void> {
  let blockBytes = Math.min(session.readBytes, windowBytes)
  const queue: Promise<Buffer>[] = []
  let queued = 0
  let asked = begin

  async function block(position: number, size: number): Promise<Buffer> {
    const first = await session.read(handle, size, position)
    if (first.length === size) return first
    const pieces = [first]
    let filled = first.length
    while (filled < size) {
      const last = pieces.at(-1)?.length ?? 0
      if (last === 0) throw endedEarly(what, position + filled, end)
      blockBytes = Math.max(Math.min(blockBytes, last), Math.min(fewestBytes, blockBytes))
      const next = await session.read(handle, size - filled, position + filled)
      pieces.push(next)
      filled += next.length
    }
    const whole = Buffer.allocUnsafeSlow(size)
    pieces.reduce((at, piece) => at + piece.copy(whole, at), 0)
    return whole
  }

  function askForMore(): void {
    while (asked < end && (queue.length === 0 || queued + blockBytes <= windowBytes)) {
      const size = Math.min(blockBytes, end - asked)
      const next = block(asked, size)
      // Whoever stops reading leaves requests behind that nobody waits for.
      next.catch(() => undefined)
      queue.push(next)
      queued += size
      asked += size
    }
  }

  askForMore()
  while (queue.length > 0) {
    const bytes = await (queue.shift() as Promise<Buffer>)
    queued -= bytes.length
    askForMore()
    yield bytes
  }
}

function endedEarly(what: string, found: number, expected: number): BackupError {
  return new BackupError(`${what}: the file has ${found} bytes instead of ${expected}`, {
    code: 'CORRUPTED',
    hint: 'Another program changed the file meanwhile, or the disk of the server is damaged: check both and try again.',
  })
}
