import type { BackupError } from '@backup-planet/core'
import type { SftpSession } from './sftp-session.ts'

/** A few connections that are made when they are needed, and again after they broke. */
export interface SftpConnections {
  /** The connection that has least to do. `release` must be called, once. Throws a TypeError when they have been closed. */
  take(): Promise<{ readonly session: SftpSession; readonly release: () => void }>
  close(): void
}

interface Line {
  users: number
  session: SftpSession | undefined
  readonly opened: Promise<SftpSession>
}

export function sftpConnections(open: () => Promise<SftpSession>, most: number): SftpConnections {
  const lines = new Set<Line>()
  let isClosed = false

  function newLine(): Line {
    const line: Line = { users: 0, session: undefined, opened: open() }
    lines.add(line)
    line.opened.then(
      (session) => {
        line.session = session
        session.onLost(() => lines.delete(line))
      },
      () => lines.delete(line),
    )
    return line
  }

  function leastBusy(): Line | undefined {
    return [...lines].sort((left, right) => left.users - right.users)[0]
  }

  async function take(): Promise<{ session: SftpSession; release: () => void }> {
    if (isClosed) throw new TypeError('this uploader has been disposed: create another one')
    const quietest = leastBusy()
    const line = quietest === undefined || (quietest.users > 0 && lines.size < most) ? newLine() : quietest
    line.users++
    let released = false
    const release = (): void => {
      if (!released) line.users--
      released = true
    }
    try {
      return { session: await line.opened, release }
    } catch (error) {
      release()
      // One connection more than the server takes: the others do.
      const other = [...lines].find(({ session }) => session !== undefined)
      if (other?.session === undefined) throw error
      other.users++
      return { session: other.session, release: () => void other.users-- }
    }
  }

  return {
    take,
    close() {
      isClosed = true
      for (const { session, opened } of lines) {
        if (session === undefined) opened.then((late) => late.connection.close()).catch((_: BackupError) => undefined)
        else session.connection.close()
      }
      lines.clear()
    },
  }
}
