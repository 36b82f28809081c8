import type { BackupError } from '@backup-planet/core'
import { discard } from '@backup-planet/core/memory'
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2'
import { connectError, isStatus, sftpStatus } from '../sftp-errors.ts'
import type { SshConnection } from '../ssh/ssh-connection.ts'
import type { LostDuring } from './requests-at-once.ts'
import { channelClosed, noAnswer, openChannel } from './sftp-channel.ts'
import { type Answer, type SftpRequests, sftpRequests } from './sftp-requests.ts'

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
  const queue = sftpRequests({ connection, where, most: requests, onPipelined: onPipelined ?? (() => undefined) })
  if (announced._isOpenSSH === true) queue.pipelined()
  sftp.on('error', (error: Error) => queue.lose(connectError(error, where, timeoutSeconds)))
  sftp.on('close', () => queue.lose(channelClosed(where)))
  sftp.on('end', () => queue.lose(connection.lost() ?? channelClosed(where)))
  const { lost, lostDuring, onLost } = queue
  return {
    connection,
    abilities,
    lost,
    lostDuring,
    onLost,
    giveUp: () => queue.lose(noAnswer(where)),
    ...requestsOnFiles(sftp, announced, queue),
    ...requestsOnPaths(sftp, queue),
  }
}

type OnFiles = 'readBytes' | 'writeBytes' | 'open' | 'closeHandle' | 'read' | 'write' | 'sync' | 'handleAttributes'
type OnPaths = Exclude<keyof SftpSession, OnFiles | 'connection' | 'abilities' | 'lost' | 'lostDuring' | 'onLost' | 'giveUp'>

function requestsOnFiles(sftp: SFTPWrapper, announced: Announced, { ask, isFull }: SftpRequests): Pick<SftpSession, OnFiles> {
  /** Never written to. */
  const nowhere = Buffer.allocUnsafeSlow(announced._maxReadLen)

  return {
    readBytes: announced._maxReadLen,
    writeBytes: announced._maxWriteLen,
    open: (path, flags, mode = 0o600) => ask('open', path, (answer) => sftp.open(path, flags, { mode }, answer)),
    closeHandle: (handle) => ask('close', undefined, (answer) => sftp.close(handle, answer)),
    async read(handle, size, position) {
      try {
        const answered = await ask<Buffer>('read', undefined, (answer) => {
          sftp.read(handle, nowhere, 0, Math.min(size, nowhere.length), position, answer as never)
          // Without a place to copy them to ssh2 gives the bytes where they are, which spares a copy of everything.
          const pending = announced._requests[announced._writeReqid]
          if (pending === undefined) return answer(new Error('ssh2 did not keep what it asked for'))
          pending.buffer = undefined
          pending.cb = answer
        })
        return ownMemory(answered)
      } catch (error) {
        if (isStatus(error, sftpStatus.EOF)) return Buffer.alloc(0)
        throw error
      }
    },
    write(handle, bytes, position) {
      // ssh2 copies what it sends; what waits for its turn is copied here.
      const sent = isFull() ? Buffer.from(bytes) : bytes
      return ask('write', undefined, (answer) => sftp.write(handle, sent, 0, sent.length, position, answer as never))
    },
    sync: (handle) => ask('fsync', undefined, (answer) => sftp.ext_openssh_fsync(handle, answer)),
    handleAttributes: async (handle) => attributesOf(await ask<Stats>('fstat', undefined, (answer) => sftp.fstat(handle, answer))),
  }
}

function requestsOnPaths(sftp: SFTPWrapper, { ask }: SftpRequests): Pick<SftpSession, OnPaths> {
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

/** Before the bytes of an answer are its type, its number and their length: draft-ietf-secsh-filexfer-02, 7. */
const answerHeaderBytes = 9

/** Copies bytes that share their memory with other answers, as small ones do that came in one packet: whoever lets one go must not empty another. */
function ownMemory(bytes: Buffer): Buffer {
  const isAlone = bytes.byteOffset <= answerHeaderBytes && bytes.byteOffset + bytes.length === bytes.buffer.byteLength
  if (isAlone) return bytes
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
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

function attributesOf(stats: Stats): SftpAttributes {
  return { kind: kindOf(stats), size: Number(stats.size ?? 0), modified: new Date(Number(stats.mtime ?? 0) * 1000) }
}

function kindOf(stats: Stats): SftpAttributes['kind'] {
  if (stats.mode === undefined) return 'unknown'
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}
