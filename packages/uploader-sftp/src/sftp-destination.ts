import { BackupError } from '@backup-planet/core'

/** A place on a server; what is left out comes from the settings or from the ssh configuration. */
export interface SftpPlace {
  readonly host: string
  readonly port: number | undefined
  readonly user: string | undefined
  /** Absolute, or relative to where the server puts its users: without a leading slash. */
  readonly path: string
}

/**
 * Reads `sftp://user@host:port/absolute/path` and `sftp://user@host/~/relative/path`, percent-encoded where needed: as in
 * draft-ietf-secsh-scp-sftp-ssh-uri, with `~` as curl and git have it. Throws `INVALID_SETTINGS`, which never shows a password.
 */
export function parseSftpDestination(destination: string): SftpPlace {
  if (!/^sftp:\/\//i.test(destination)) throw refused('it does not begin with sftp://')
  const [, authority = '', rest = ''] = /^[^:]+:\/\/([^/]*)(.*)$/s.exec(destination) ?? []
  const userInfo = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : undefined
  if (userInfo?.includes(':')) throw refused('it holds a password', passwordHint)
  if (/[?#]/.test(destination)) throw refused('? and # must be written as %3F and %23')
  const { host, port } = hostAndPort(authority.slice(userInfo === undefined ? 0 : userInfo.length + 1))
  if (rest === '') throw refused('it has no path')
  const path = decoded(rest)
  if (path.includes('\0')) throw refused('it contains NUL')
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) throw refused('it contains . or ..')
  const user = userInfo === undefined ? undefined : decoded(userInfo)
  if (user === '') throw refused('its user name is empty')
  const plain = path.replace(/\/{2,}/g, '/')
  return { host, port, user, path: /^\/~(\/|$)/.test(plain) ? plain.slice(3) || '.' : plain }
}

/** The destination of a place, free of secrets. */
export function printSftpDestination({ host, port, user, path }: SftpPlace): string {
  const written = path.split('/').map(encodeURIComponent).join('/')
  const name = host.includes(':') ? `[${host}]` : host
  const below = path.startsWith('/') ? written : path === '.' ? '/~/' : `/~/${written}`
  return `sftp://${user === undefined ? '' : `${encodeURIComponent(user)}@`}${name}${port === undefined || port === 22 ? '' : `:${port}`}${below}`
}

function hostAndPort(text: string): { host: string; port: number | undefined } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]]*))(?::(\d*))?$/i.exec(text) ?? []
  const host = bracketed ?? (plain === undefined ? undefined : decoded(plain))
  if (host === undefined) throw refused('its host or port cannot be read')
  if (host === '') throw refused('it names no host')
  if (/[\s/@]|^-/.test(host)) throw refused('its host is no host name')
  if (digits === undefined || digits === '') return { host, port: undefined }
  const port = Number(digits)
  if (port < 1 || port > 65_535) throw refused(`${port} is no port`)
  return { host, port }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw refused('a percent sign must be written as %25', undefined, error)
  }
}

const passwordHint = `Write sftp://user@host/path, and give the password in the settings: password: "\${file:/etc/backup-planet/sftp-password}". Better use a key.`

function refused(reason: string, hint?: string, cause?: unknown): BackupError {
  return new BackupError(`the sftp destination cannot be used: ${reason}`, {
    code: 'INVALID_SETTINGS',
    hint: hint ?? 'Write it as sftp://user@host:port/absolute/path, or sftp://user@host/~/path below the home directory.',
    cause,
  })
}
