import { BackupError } from '@backup-planet/core'
import { discard } from '@backup-planet/core/memory'
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2'
import { connectError, SftpFailure, sftpStatus } from '../sftp-errors.ts'
import type { SshConnection } from '../ssh/ssh-connection.ts'
import type { LostDuring } from './requests-at-once.ts'

/** What a server can do beside the third version of the protocol: OpenSSH's PROTOCOL, section 4. */
export interface SftpAbilities {
  readonly posixRename: boolean
  readonly fsync: boolean
  readonly statvfs: boolean
}

export interface SftpAttributes {
  readonly kind: 'file' | 'folder' | 'link' | 'other' | 'unknown'
  readonly size: number
  readonly modified: Date
}

export interface SftpSpace {
  /** That this user can still write. */
  readonly freeBytes: number
  readonly isReadOnly: boolean
}

/** SSH2_FXE_STATVFS_ST_RDONLY. */
const readOnlyFlag = 1

/** Where ssh2 keeps what the server has announced, and what it has asked; it has no public way to either. */
interface Announced {
  readonly _extensions: Readonly<Record<string, string>>
  readonly _maxReadLen: number
  readonly _maxWriteLen: number
  readonly _isOpenSSH?: boolean
  readonly _writeReqid: number
  readonly _requests: Readonly<Record<number, PendingRead | undefined>>
  readonly _protocol: { channelData(channel: number, bytes: Buffer): void }
}

interface PendingRead {
  buffer: Buffer | undefined
  cb: Answer<Buffer>
}

type Answer<Value> = (error: (Error & { code?: unknown }) | null | undefined, value?: Value) => void

/** The requests of one SFTP channel as promises. Each is rejected when the connection is lost, which ssh2 does not promise. */
export interface SftpSession {
  readonly connection: SshConnection
  readonly abilities: SftpAbilities
  /** Bytes of the largest read and write. */
  readonly readBytes: number
  readonly writeBytes: number
  lost(): BackupError | undefined
  /** What was under way when it was lost. A server that is known to take several requests at once never loses it by that. */
  lostDuring(): LostDuring | undefined
  onLost(listener: (reason: BackupError) => void): void
  /** Ends a connection whose server answers nothing. */
  giveUp(): void
  open(path: string, flags: 'r' | 'wx' | 'r+', mode?: number): Promise<Buffer>
  closeHandle(handle: Buffer): Promise<void>
  /** The bytes that came, in memory of their own; fewer than asked for where the server likes, none at the end of the file. */
  read(handle: Buffer, size: number, position: number): Promise<Buffer>
  /** Has copied `bytes` when it returns. */
  write(handle: Buffer, bytes: Buffer, position: number): Promise<void>
  sync(handle: Buffer): Promise<void>
  handleAttributes(handle: Buffer): Promise<SftpAttributes>
  /** Without following a link; `undefined` when there is nothing. */
  attributes(path: string): Promise<SftpAttributes | undefined>
  /** Of what a link leads to. */
  target(path: string): Promise<SftpAttributes | undefined>
  makeFolder(path: string): Promise<void>
  removeFolder(path: string): Promise<void>
  removeFile(path: string): Promise<void>
  /** Fails on most servers where there is something at `to`. */
  rename(from: string, to: string): Promise<void>
  renameOver(from: string, to: string): Promise<void>
  openFolder(path: string): Promise<Buffer>
  /** The next names of a folder; `undefined` after the last. */
  readFolder(handle: Buffer): Promise<readonly { readonly name: string; readonly attributes: SftpAttributes }[] | undefined>
  /** Of the file system that `path` is on: OpenSSH's PROTOCOL, 4.4. */
  space(path: string): Promise<SftpSpace>
}

export interface SftpSessionSettings {
  /** Under way at most. */
  readonly requests: number
  readonly where: string
  readonly timeoutSeconds: number
  /** Called once, when it is known that the server takes several requests at once. */
  readonly onPipelined?: () => void
}

/** Opens a channel for SFTP on a connection. */
export async function openSftpSession(
  connection: SshConnection,
  { requests, where, timeoutSeconds, onPipelined }: SftpSessionSettings,
): Promise<SftpSession> {
  const sftp = await openChannel(connection, where, timeoutSeconds)
  const announced = sftp as unknown as Announced
  giveBackRequests(announced)
  const extensions = announced._extensions
  const abilities: SftpAbilities = {
    posixRename: extensions['posix-rename@openssh.com'] === '1',
    fsync: extensions['fsync@openssh.com'] === '1',
    statvfs: extensions['statvfs@openssh.com'] === '2',
  }
  const pending = new Set<(reason: BackupError) => void>()
  const listeners: ((reason: BackupError) => void)[] = []
  let lost: BackupError | undefined
  let running = 0
  let lostDuring: LostDuring | undefined
  /** Answers came while others were still awaited. */
  let pipelines = false
  const pipelined = (): void => {
    if (pipelines) return
    pipelines = true
    onPipelined?.()
  }
  if (announced._isOpenSSH === true) pipelined()
  const lose = (reason: BackupError): void => {
    if (lost !== undefined) return
    lost = reason
    const brokeOff = running > 1 && !pipelines && reason.code !== 'TIMED_OUT'
    lostDuring = running === 0 ? 'idle' : brokeOff ? 'pipelining' : 'request'
    connection.close()
    for (const reject of [...pending]) reject(reason)
    pending.clear()
    for (const listener of listeners) listener(reason)
  }
  connection.onLost(lose)
  sftp.on('error', (error: Error) => lose(connectError(error, where, timeoutSeconds)))
  sftp.on('close', () => lose(channelClosed(where)))
  sftp.on('end', () => lose(connection.lost() ?? channelClosed(where)))

  /** Never written to. */
  const nowhere = Buffer.allocUnsafeSlow(announced._maxReadLen)
  const waiting: (() => void)[] = []

  /** Sends one request as soon as its turn comes; settles with the answer or with the loss of the connection. */
  function ask<Value>(request: string, path: string | undefined, send: (answer: Answer<Value>) => void): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (lost !== undefined) return reject(lost)
      const finish = (): void => {
        pending.delete(onLost)
        running--
        waiting.shift()?.()
      }
      const onLost = (reason: BackupError): void => reject(reason)
      pending.add(onLost)
      const start = (): void => {
        if (lost !== undefined) return
        running++
        const isSecond = running > 1
        send((error, value) => {
          if (lost === undefined && isSecond) pipelined()
          finish()
          if (error === undefined || error === null) resolve(value as Value)
          else reject(lost ?? answerError(error, request, path))
        })
      }
      if (running < requests) start()
      else waiting.push(start)
    })
  }

  const attributesBy =
    (request: 'lstat' | 'stat') =>
    async (path: string): Promise<SftpAttributes | undefined> => {
      try {
        return attributesOf(await ask<Stats>(request, path, (answer) => sftp[request](path, answer)))
      } catch (error) {
        if (isStatus(error, sftpStatus.NO_SUCH_FILE, 10)) return undefined
        throw error
      }
    }

  return {
    connection,
    abilities,
    readBytes: announced._maxReadLen,
    writeBytes: announced._maxWriteLen,
    lost: () => lost,
    lostDuring: () => lostDuring,
    onLost: (listener) => void (lost === undefined ? listeners.push(listener) : listener(lost)),
    giveUp: () => lose(noAnswer(where)),
    open: (path, flags, mode = 0o600) => ask('open', path, (answer) => sftp.open(path, flags, { mode }, answer)),
    closeHandle: (handle) => ask('close', undefined, (answer) => sftp.close(handle, answer)),
    async read(handle, size, position) {
      try {
        return await ask<Buffer>('read', undefined, (answer) => {
          sftp.read(handle, nowhere, 0, Math.min(size, nowhere.length), position, answer as never)
          // Without a place to copy them to ssh2 gives the bytes where they are, which spares a copy of everything.
          const pending = announced._requests[announced._writeReqid]
          if (pending === undefined) return answer(new Error('ssh2 did not keep what it asked for'))
          pending.buffer = undefined
          pending.cb = answer
        })
      } catch (error) {
        if (isStatus(error, sftpStatus.EOF)) return Buffer.alloc(0)
        throw error
      }
    },
    write(handle, bytes, position) {
      // ssh2 copies what it sends; what waits for its turn is copied here.
      const sent = running < requests ? bytes : Buffer.from(bytes)
      return ask('write', undefined, (answer) => sftp.write(handle, sent, 0, sent.length, position, answer as never))
    },
    sync: (handle) => ask('fsync', undefined, (answer) => sftp.ext_openssh_fsync(handle, answer)),
    handleAttributes: async (handle) => attributesOf(await ask<Stats>('fstat', undefined, (answer) => sftp.fstat(handle, answer))),
    attributes: attributesBy('lstat'),
    target: attributesBy('stat'),
    makeFolder: (path) => ask('mkdir', path, (answer) => sftp.mkdir(path, { mode: 0o700 }, answer)),
    removeFolder: (path) => ask('rmdir', path, (answer) => sftp.rmdir(path, answer)),
    removeFile: (path) => ask('remove', path, (answer) => sftp.unlink(path, answer)),
    rename: (from, to) => ask('rename', to, (answer) => sftp.rename(from, to, answer)),
    renameOver: (from, to) => ask('posix-rename', to, (answer) => sftp.ext_openssh_rename(from, to, answer)),
    openFolder: (path) => ask('opendir', path, (answer) => sftp.opendir(path, answer)),
    async readFolder(handle) {
      try {
        const names = await ask<readonly FileEntryWithStats[]>('readdir', undefined, (answer) => sftp.readdir(handle, answer as never))
        return names.map(({ filename, attrs }) => ({ name: filename, attributes: attributesOf(attrs) }))
      } catch (error) {
        if (isStatus(error, sftpStatus.EOF)) return undefined
        throw error
      }
    },
    async space(path) {
      interface Answered {
        readonly f_frsize: number
        readonly f_bavail: number
        readonly f_flag: number
      }
      const { f_frsize, f_bavail, f_flag } = await ask<Answered>('statvfs', path, (answer) =>
        sftp.ext_openssh_statvfs(path, answer as never),
      )
      return { freeBytes: Number(f_frsize) * Number(f_bavail), isReadOnly: (Number(f_flag) & readOnlyFlag) !== 0 }
    },
  }
}

/** Gives the memory of each request back when its last piece is in a packet: ssh2 makes one for every request, and keeps none. */
function giveBackRequests({ _protocol: protocol }: Announced): void {
  const send = protocol.channelData.bind(protocol)
  protocol.channelData = (channel, bytes) => {
    const isLast = bytes.byteOffset + bytes.length === bytes.buffer.byteLength
    send(channel, bytes)
    if (isLast) discard(bytes)
  }
}

export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof SftpFailure && statuses.includes(error.status)
}

function openChannel(connection: SshConnection, where: string, timeoutSeconds: number): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(connectError(Object.assign(new Error('the server opens no SFTP channel'), { level: 'client-timeout' }), where, timeoutSeconds))
    }, timeoutSeconds * 1000)
    connection.onLost(reject)
    connection.client.sftp((error, sftp) => {
      clearTimeout(timer)
      if (error === undefined || error === null) resolve(sftp)
      else reject(noSubsystem(error, where, timeoutSeconds))
    })
  })
}

/** RFC 4254, 5.1: OpenSSH gives this reason for a session beyond MaxSessions. */
const connectFailed = 2

function noSubsystem(error: Error, where: string, timeoutSeconds: number): BackupError {
  if ((error as { reason?: unknown }).reason === connectFailed) {
    return new BackupError(`${where} lets this user in and opens no session: ${error.message}`, {
      code: 'OVERLOADED',
      hint: 'The server takes no more sessions on a connection: raise MaxSessions in its sshd_config, which must be 1 at least.',
      cause: error,
    })
  }
  if (!/Unable to start subsystem|exit code|session termination/i.test(error.message)) return connectError(error, where, timeoutSeconds)
  return new BackupError(`${where} lets this user in and offers no SFTP: ${error.message}`, {
    code: 'UNSUPPORTED',
    hint: 'Switch SFTP on there (Subsystem sftp internal-sftp in sshd_config); a shell that prints something when it starts breaks it too.',
    cause: error,
  })
}

function channelClosed(where: string): BackupError {
  return new BackupError(`the SFTP server at ${where} has ended its channel`, {
    code: 'UNREACHABLE',
    hint: 'Look at the log of the server for why; what was interrupted can be done again and goes on where it stopped.',
  })
}

function noAnswer(where: string): BackupError {
  return new BackupError(`the SFTP server at ${where} answers nothing any more`, {
    code: 'TIMED_OUT',
    hint: 'Check the network and the disk of the server; what was interrupted can be done again and goes on where it stopped.',
  })
}

function answerError(error: Error & { code?: unknown }, request: string, path: string | undefined): unknown {
  return typeof error.code === 'number' ? new SftpFailure(error.code, error.message, request, path, undefined) : error
}

function attributesOf(stats: Stats): SftpAttributes {
  return { kind: kindOf(stats), size: Number(stats.size ?? 0), modified: new Date(Number(stats.mtime ?? 0) * 1000) }
}

function kindOf(stats: Stats): SftpAttributes['kind'] {
  if (stats.mode === undefined) return 'unknown'
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}
