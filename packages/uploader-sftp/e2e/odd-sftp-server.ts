import { createHash, generateKeyPairSync } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, mkdtemp, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ssh2, { type Connection, type SFTPWrapper } from 'ssh2'

export interface OddSftpServerOptions {
  /** Ends a connection when a request comes before the last one is answered: any connection, or so many. */
  readonly oneAtATime?: boolean | { readonly connections: number }
  /** How far its clock is ahead of ours. */
  readonly clockAheadSeconds?: number
  /** Answers no read with more than this. */
  readonly readBytes?: number
  /** Refuses writes beyond this sum, with this answer. */
  readonly quota?: { readonly bytes: number; readonly message: string }
  /** Whether it refuses a rename, while it lets everything else be done. */
  readonly refusesRename?: (from: string, to: string) => boolean
  /** Whether it never answers a request of this kind, such as `OPEN`. */
  readonly stallsAt?: (request: string) => boolean
  /** Let in with this password, by the method `password` or by questions. */
  readonly login?: { readonly method: 'password' | 'keyboard-interactive'; readonly password: string }
}

/** A server that keeps files in a folder, offers no extension, and is odd as asked. Rename fails where there is something already. */
export interface OddSftpServer extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly fingerprint: string
  readonly files: string
  /** Of requests under way at the same time, on connections that were not ended for it. */
  readonly mostAtOnce: () => number
  /** So many requests have come that it never answers. */
  readonly stalled: () => number
}

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp
const statusOf: Readonly<Record<string, number>> = { ENOENT: STATUS_CODE.NO_SUCH_FILE, EACCES: STATUS_CODE.PERMISSION_DENIED }

export async function startOddSftpServer(options: OddSftpServerOptions = {}): Promise<OddSftpServer> {
  const files = await mkdtemp(join(tmpdir(), 'odd-sftp-'))
  const hostKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }).toString()
  const connections = new Set<Connection>()
  let mostAtOnce = 0
  let stalled = 0
  let written = 0
  const { oneAtATime = false } = options
  let connectionsToEnd = typeof oneAtATime === 'boolean' ? (oneAtATime ? Number.POSITIVE_INFINITY : 0) : oneAtATime.connections

  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    connections.add(client)
    // Or each answer waits for the other side's acknowledgement of the last one.
    ;(client as Connection & Pick<Socket, 'setNoDelay'>).setNoDelay(true)
    client.on('close', () => connections.delete(client))
    client.on('error', () => undefined)
    client.on('authentication', (context) => {
      const { login } = options
      if (login === undefined) return context.accept()
      const { method, password } = login
      if (context.method === 'password' && method === 'password' && context.password === password) return context.accept()
      if (context.method !== 'keyboard-interactive' || method !== 'keyboard-interactive') return context.reject([method])
      context.prompt([{ prompt: 'Password: ', echo: false }], (answers) => {
        if (answers[0] === password) context.accept()
        else context.reject([method])
      })
    })
    client.on('ready', () => {
      client.on('session', (accept) => {
        const session = accept()
        session.on('sftp', (acceptSftp) => serve(acceptSftp(), client))
      })
    })
  })

  const ahead = options.clockAheadSeconds ?? 0
  const attributesOf = ({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats) => {
    return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000) + ahead, mtime: Math.floor(mtimeMs / 1000) + ahead }
  }

  function serve(sftp: SFTPWrapper, client: Connection): void {
    const handles = new Map<number, { file?: FileHandle; names?: string[]; path: string }>()
    client.once('close', () => {
      for (const { file } of handles.values()) file?.close().catch(() => undefined)
      handles.clear()
    })
    let last = 0
    let underWay = 0
    let isEnded = false
    const newHandle = (entry: { file?: FileHandle; names?: string[]; path: string }): Buffer => {
      handles.set(++last, entry)
      const handle = Buffer.alloc(4)
      handle.writeUInt32BE(last)
      return handle
    }
    const entryOf = (handle: Buffer) => {
      const entry = handles.get(handle.readUInt32BE())
      if (entry === undefined) throw new Error('no such handle')
      return entry
    }
    /** Answers a request with what `work` sends, or with OK; failures become a status. */
    const on = (name: string, work: (id: number, ...given: never[]) => Promise<unknown>): void => {
      sftp.on(name, (id: number, ...given: unknown[]) => {
        underWay++
        if (isEnded) return
        if (underWay > 1 && connectionsToEnd > 0) {
          isEnded = true
          connectionsToEnd--
          return void client.end()
        }
        mostAtOnce = Math.max(mostAtOnce, underWay)
        if (options.stallsAt?.(name) === true) return void stalled++
        work(id, ...(given as never[]))
          .then(
            (answered) => answered === undefined && sftp.status(id, STATUS_CODE.OK),
            (error: NodeJS.ErrnoException) =>
              sftp.status(id, statusOf[error.code ?? ''] ?? STATUS_CODE.FAILURE, (error as { said?: string }).said),
          )
          .finally(() => {
            underWay--
          })
      })
    }
    on('OPEN', async (id, path: string, flags: number, attributes: { mode?: number }) => {
      const isWrite = (flags & OPEN_MODE.WRITE) !== 0
      const mode =
        (isWrite ? constants.O_RDWR : constants.O_RDONLY) |
        ((flags & OPEN_MODE.CREAT) === 0 ? 0 : constants.O_CREAT) |
        ((flags & OPEN_MODE.EXCL) === 0 ? 0 : constants.O_EXCL)
      return sftp.handle(id, newHandle({ file: await open(path, mode, attributes.mode ?? 0o600), path })) ?? true
    })
    on('READ', async (id, handle: Buffer, position: number, size: number) => {
      const buffer = Buffer.alloc(Math.min(size, options.readBytes ?? size))
      const { bytesRead = 0 } = (await entryOf(handle).file?.read(buffer, 0, buffer.length, position)) ?? {}
      if (bytesRead === 0) return sftp.status(id, STATUS_CODE.EOF) ?? true
      return sftp.data(id, buffer.subarray(0, bytesRead)) ?? true
    })
    on('WRITE', async (_id, handle: Buffer, position: number, data: Buffer) => {
      written += data.length
      if (options.quota !== undefined && written > options.quota.bytes)
        throw Object.assign(new Error('quota'), { said: options.quota.message })
      await entryOf(handle).file?.write(Buffer.from(data), 0, data.length, position)
    })
    on('CLOSE', async (_id, handle: Buffer) => {
      await entryOf(handle).file?.close()
      handles.delete(handle.readUInt32BE())
    })
    on('FSTAT', async (id, handle: Buffer) => sftp.attrs(id, attributesOf((await entryOf(handle).file?.stat()) as Stats)) ?? true)
    on('LSTAT', async (id, path: string) => sftp.attrs(id, attributesOf(await lstat(path))) ?? true)
    on('STAT', async (id, path: string) => sftp.attrs(id, attributesOf(await stat(path))) ?? true)
    on('OPENDIR', async (id, path: string) => sftp.handle(id, newHandle({ names: await readdir(path), path })) ?? true)
    on('READDIR', async (id, handle: Buffer) => {
      const entry = entryOf(handle)
      const some = entry.names?.splice(0, 10) ?? []
      if (some.length === 0) return sftp.status(id, STATUS_CODE.EOF) ?? true
      const found = await Promise.all(
        some.map(async (filename) => {
          const attributes = await lstat(join(entry.path, filename)).catch(() => undefined)
          return attributes === undefined ? [] : [{ filename, longname: filename, attrs: attributesOf(attributes) }]
        }),
      )
      return sftp.name(id, found.flat()) ?? true
    })
    on('REMOVE', async (_id, path: string) => unlink(path))
    on('RMDIR', async (_id, path: string) => rmdir(path))
    on('MKDIR', async (_id, path: string) => mkdir(path, { mode: 0o700 }))
    on('RENAME', async (_id, from: string, to: string) => {
      if (options.refusesRename?.(from, to) === true) throw new Error('no rename')
      if ((await lstat(to).catch(() => undefined)) !== undefined) throw new Error('there is something')
      await rename(from, to)
    })
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const key = ssh2.utils.parseKey(hostKey)
  if (key instanceof Error) throw key
  const fingerprint = createHash('sha256').update(key.getPublicSSH()).digest('base64').replace(/=+$/, '')
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    fingerprint: `SHA256:${fingerprint}`,
    files,
    mostAtOnce: () => mostAtOnce,
    stalled: () => stalled,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(files, { recursive: true, force: true })
    },
  }
}
