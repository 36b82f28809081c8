import { BackupError, type FailureCode } from '@backup-planet/core'

/** What a server answered to one request, when that was no success. */
export class SftpFailure extends Error {
  override readonly name = 'SftpFailure'
  readonly status: number
  readonly request: string
  readonly path: string | undefined

  constructor(status: number, said: string, request: string, path: string | undefined, cause?: unknown) {
    super(said, { cause })
    this.status = status
    this.request = request
    this.path = path
  }
}

export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof SftpFailure && statuses.includes(error.status)
}

/** Numbers of draft-ietf-secsh-filexfer-02, 7, and those that draft-ietf-secsh-filexfer-13, 9.1, has added. */
export const sftpStatus = { EOF: 1, NO_SUCH_FILE: 2, PERMISSION_DENIED: 3, FAILURE: 4, OP_UNSUPPORTED: 8, FILE_ALREADY_EXISTS: 11 } as const

const codesByStatus: Readonly<Record<number, FailureCode>> = {
  1: 'CORRUPTED',
  2: 'NOT_FOUND',
  3: 'ACCESS_DENIED',
  4: 'UNKNOWN',
  5: 'INVALID_INPUT',
  6: 'UNREACHABLE',
  7: 'UNREACHABLE',
  8: 'UNSUPPORTED',
  9: 'CONFLICT',
  10: 'NOT_FOUND',
  11: 'CONFLICT',
  12: 'ACCESS_DENIED',
  13: 'UNREACHABLE',
  14: 'OUT_OF_SPACE',
  15: 'OUT_OF_SPACE',
  16: 'INVALID_INPUT',
  17: 'CONFLICT',
  18: 'CONFLICT',
  19: 'CONFLICT',
  20: 'INVALID_INPUT',
  21: 'ACCESS_DENIED',
  22: 'ACCESS_DENIED',
  23: 'INVALID_INPUT',
  24: 'CONFLICT',
  25: 'CONFLICT',
  26: 'CONFLICT',
  27: 'CONFLICT',
  28: 'CORRUPTED',
  29: 'INVALID_INPUT',
  30: 'INVALID_INPUT',
  31: 'CONFLICT',
}

/** Where in its work ssh2 says that it failed. */
const codesByLevel: Readonly<Record<string, FailureCode>> = {
  'client-authentication': 'WRONG_CREDENTIALS',
  agent: 'WRONG_CREDENTIALS',
  'client-timeout': 'TIMED_OUT',
  'client-dns': 'UNREACHABLE',
  'client-socket': 'UNREACHABLE',
  protocol: 'UNREACHABLE',
  handshake: 'UNSUPPORTED',
  'sftp-protocol': 'UNSUPPORTED',
}

/** RFC 4254, 5.1: why a server opens no channel. */
const codesByChannelReason: Readonly<Record<number, FailureCode>> = {
  1: 'ACCESS_DENIED',
  2: 'UNREACHABLE',
  3: 'UNSUPPORTED',
  4: 'OVERLOADED',
}

const codesByErrno: Readonly<Record<string, FailureCode>> = {
  ETIMEDOUT: 'TIMED_OUT',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  EMFILE: 'OVERLOADED',
  ENFILE: 'OVERLOADED',
  EADDRNOTAVAIL: 'OVERLOADED',
  ...Object.fromEntries(
    [
      'ECONNREFUSED',
      'ECONNRESET',
      'ECONNABORTED',
      'EPIPE',
      'ENOTFOUND',
      'EAI_AGAIN',
      'EAI_FAIL',
      'EHOSTUNREACH',
      'EHOSTDOWN',
      'ENETUNREACH',
      'ENETDOWN',
      'ENOTCONN',
      'ERR_STREAM_DESTROYED',
    ].map((name) => [name, 'UNREACHABLE' as const]),
  ),
}

/** Names the failure behind an error of ssh2, of its SFTP requests, or of the network. */
export function classifySftpError(error: unknown): FailureCode {
  if (BackupError.is(error)) return error.code
  if (typeof error !== 'object' || error === null) return 'UNKNOWN'
  const { name, message, level, reason, code, status } = error as Partial<Record<string, unknown>>
  if (name === 'AbortError') return 'ABORTED'
  if (error instanceof SftpFailure) return codeOfAnswer(error)
  if (typeof code === 'string' && codesByErrno[code] !== undefined) return codesByErrno[code]
  if (typeof level === 'string' && codesByLevel[level] !== undefined) {
    // A key that is exchanged and then broken off is the network's doing, two sides that speak nothing in common are not.
    const brokenOff = level === 'handshake' && !/no matching|unsupported|version/i.test(String(message))
    return brokenOff ? 'UNREACHABLE' : codesByLevel[level]
  }
  if (typeof reason === 'number' && codesByChannelReason[reason] !== undefined) return codesByChannelReason[reason]
  const number = typeof status === 'number' ? status : code
  if (typeof number === 'number' && error instanceof Error) return codesByStatus[number] ?? 'UNKNOWN'
  return /^(No response from server|Not connected|Keepalive timeout|Unable to exec|Channel open failure)/.test(String(message))
    ? 'UNREACHABLE'
    : 'UNKNOWN'
}

/** Servers that have no number for it say it in words. */
function codeOfAnswer({ status, message }: SftpFailure): FailureCode {
  const code = codesByStatus[status] ?? 'UNKNOWN'
  return code === 'UNKNOWN' && /no space|disk full|quota|out of space|not enough space/i.test(message) ? 'OUT_OF_SPACE' : code
}

/** The error to throw for what a request has failed with; BackupErrors and mistakes of the programmer pass as they are. */
export function sftpError(error: unknown, what: string, destination: string): unknown {
  if (!(error instanceof SftpFailure)) return error
  const code = codeOfAnswer(error)
  const of = error.path === undefined ? '' : ` of ${error.path}`
  return new BackupError(
    `${what} failed: the server answered ${JSON.stringify(error.message)} (status ${error.status}) to ${error.request}${of}`,
    {
      code,
      hint: answerHint(code, error, destination),
      cause: error,
    },
  )
}

function answerHint(code: FailureCode, { request, path }: SftpFailure, destination: string): string {
  switch (code) {
    case 'OUT_OF_SPACE':
      return `The disk or the quota behind ${destination} is full: free space or raise the quota, then run again; nothing was left half-written.`
    case 'ACCESS_DENIED':
      return `Let the user of ${destination} read and write this folder and everything below it, which it should own; a file system that is mounted read-only answers the same.`
    case 'NOT_FOUND':
      return `Check that ${path ?? destination} exists on the server and that the disk it is on is mounted.`
    case 'UNSUPPORTED':
      return `This server cannot ${request}: use one that can, such as OpenSSH.`
    case 'INVALID_INPUT':
      return 'The server cannot hold this name: use shorter names, or a file system that can.'
    case 'CONFLICT':
      return 'A key cannot be an object and a folder of other objects at once in a directory: remove one of them or use another prefix.'
    case 'CORRUPTED':
      return 'The file is shorter than it was, or its disk is damaged: look at the disk of the server.'
    case 'UNREACHABLE':
      return 'The server has lost its disk or its own connection: look at its log and try again.'
    default:
      return 'The server says no more than this: look at its log. A full disk, a used up quota, a failing disk and names it cannot hold are common reasons.'
  }
}

/** The error to throw when no connection came about. */
export function connectError(error: unknown, where: string, timeoutSeconds: number): BackupError {
  if (BackupError.is(error)) return error
  const code = classifySftpError(error)
  const said = error instanceof Error ? error.message : String(error)
  return new BackupError(`cannot connect to ${where}: ${said}`, {
    code,
    hint: connectHint(code, where, said, timeoutSeconds),
    cause: error,
  })
}

function connectHint(code: FailureCode, where: string, said: string, timeoutSeconds: number): string {
  switch (code) {
    case 'WRONG_CREDENTIALS':
      return `${where} lets this user in with none of what was offered. Check the user name, that the public key is in its authorized_keys, and the password; the log of the server says what it refused (AllowUsers, permissions of authorized_keys, too many keys of an agent).`
    case 'TIMED_OUT':
      return `Nobody answered within ${timeoutSeconds} seconds: check host, port and the firewalls on the way, or raise connectTimeoutSeconds.`
    case 'ACCESS_DENIED':
      return 'The server refuses this channel: it must allow SFTP (Subsystem sftp), and a jump host must allow to go on (AllowTcpForwarding).'
    case 'OVERLOADED':
      return 'The server takes no more sessions: lower connections, or raise MaxSessions and MaxStartups there.'
    case 'UNSUPPORTED':
      return 'Client and server have no algorithm in common: update the server; SHA-1 keys and old ciphers are not used.'
    default:
      if (/before handshake|ECONNRESET/.test(said)) {
        return `The server at ${where} ended the connection before anybody could log in: it has as many unfinished logins as it takes (lower connections, or raise MaxStartups there), or it refuses this machine (fail2ban, hosts.deny, PerSourcePenalties); its log says which.`
      }
      return /ENOTFOUND|EAI_AGAIN/.test(said)
        ? `The name cannot be looked up: correct the host in ${where}, or the name servers of this machine.`
        : `Check that an SSH server runs at ${where} and that no firewall is in the way; the log of the server says why it ends connections.`
  }
}
