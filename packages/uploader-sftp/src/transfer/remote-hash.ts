import { createHash } from 'node:crypto'
import { throwIfAborted } from '@backup-planet/core'
import type { SftpSession } from '../session/sftp-session.ts'
import { readWindow } from './read-window.ts'
import { windowBytes } from './resume-point.ts'

/** What needs no thought in any shell. */
const plainPath = /^[A-Za-z0-9_./@+=:, -]+$/

/** What a server answers that has no `head`. */
const sha256OfNothing = createHash('sha256').digest('hex')

const slowestBytesPerSecond = 20 * 1024 * 1024

/** Computes SHA-256 on a server, by its own `sha256sum` where commands can be run there. */
export interface RemoteHash {
  /** Lower-case hex, or `undefined` where the server does not compute it. */
  byServer(session: SftpSession, path: string, size: number): Promise<string | undefined>
  /** The same of the first `bytes` of a file that may be longer. */
  beginningByServer(session: SftpSession, path: string, bytes: number): Promise<string | undefined>
  readBack(session: SftpSession, handle: Buffer, size: number, what: string, signal: AbortSignal | undefined): Promise<string>
}

export function remoteHash(): RemoteHash {
  let works: boolean | undefined

  async function hashBy(session: SftpSession, command: string, size: number): Promise<string | undefined> {
    if (works === false) return undefined
    const output = await outputOf(session, command, 10_000 + (size / slowestBytesPerSecond) * 1000)
    const hash = /^([0-9a-f]{64}) /.exec(output ?? '')?.[1]
    works ??= hash !== undefined
    return hash
  }

  return {
    async byServer(session, path, size) {
      return plainPath.test(path) ? await hashBy(session, `sha256sum -- '${path}'`, size) : undefined
    },
    async beginningByServer(session, path, bytes) {
      if (!plainPath.test(path)) return undefined
      const hash = await hashBy(session, `head -c ${bytes} -- '${path}' | sha256sum`, bytes)
      return hash === sha256OfNothing && bytes > 0 ? undefined : hash
    },
    async readBack(session, handle, size, what, signal) {
      const hash = createHash('sha256')
      for await (const chunk of readWindow(session, handle, { begin: 0, end: size, windowBytes, what })) {
        throwIfAborted(signal, what)
        hash.update(chunk)
      }
      return hash.digest('hex')
    },
  }
}

/** Standard output of a command, or `undefined` where it cannot be run, fails or takes too long. */
function outputOf(session: SftpSession, command: string, milliseconds: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), milliseconds)
    const settle = (output: string | undefined): void => {
      clearTimeout(timer)
      resolve(output)
    }
    session.onLost(() => settle(undefined))
    session.connection.client.exec(command, (error, channel) => {
      if (error !== undefined && error !== null) return settle(undefined)
      let output = ''
      let code: number | null | undefined
      channel.on('data', (data: Buffer) => {
        if (output.length < 1000) output += data.toString('latin1')
      })
      channel.stderr.resume()
      channel.on('exit', (exitCode: number | null) => {
        code = exitCode
      })
      channel.on('close', () => settle(code === 0 ? output : undefined))
      channel.on('error', () => settle(undefined))
      channel.end()
      setTimeout(() => channel.close(), milliseconds).unref()
    })
  })
}
