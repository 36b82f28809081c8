import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import type { ServerFlavour } from '../mysql-server.ts'
import type { ToolDirectory } from './tool-directory.ts'

/** For whom an option file is. */
export interface OptionFileReader {
  /** Of the programs: MariaDB's and MySQL's have other words for TLS. */
  readonly flavour: ServerFlavour
  /** A file that is read first. */
  readonly before?: string
  /** Options that only some of the programs know. */
  readonly more?: Readonly<Record<string, string>>
  /** What to do where an option file cannot say how to connect: a sentence. */
  readonly hint: string
}

/** How a program connects, in a file that only this user can read. */
export interface OptionFile {
  /** First argument of the program: what lies in the home of whoever runs this has no say. */
  readonly argument: string
  readonly path: string
  /** Of what the file says, to be masked wherever the program repeats it. */
  readonly secrets: readonly string[]
  /** Removes the file with the password once the program has connected: it must not lie there for hours, nor stay when this process is killed. */
  forget(): Promise<void>
}

/** Writes the same way to the server that the agent itself takes. Throws `UNSUPPORTED` for what an option file cannot say. */
export async function writeOptionFile(
  directory: ToolDirectory,
  settings: MysqlConnectionSettings,
  reader: OptionFileReader,
): Promise<OptionFile> {
  const folder = await directory.folder('options')
  const path = join(folder, 'client.cnf')
  const files = pemFiles(settings, folder)
  const text = optionFileText(settings, Object.fromEntries(files.map(({ name, path: file }) => [name, file])), reader)
  for (const file of files) await writeFile(file.path, file.text, { mode: 0o600, flag: 'wx' })
  await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  let known = true
  const forget = async (): Promise<void> => {
    if (known) await rm(path, { force: true })
    known = false
  }
  return { argument: `--defaults-file=${path}`, path, secrets: settings.password === undefined ? [] : [settings.password], forget }
}

/** What the settings hold as text, and programs want as files. They read them again for each of their sessions. */
function pemFiles({ ssl }: MysqlConnectionSettings, folder: string) {
  if (ssl === undefined || ssl === false) return []
  return (['ca', 'cert', 'key'] as const).flatMap((name) => {
    const text = ssl[name]
    return text === undefined ? [] : [{ name, text, path: join(folder, `${name}.pem`) }]
  })
}

/** Paths of files that hold what the settings hold as text. */
export interface PemPaths {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/**
 * How a program of the server connects, as an option file: in none of its arguments and nowhere in its environment.
 * Source: MariaDB "Configuring MariaDB with Option Files", MySQL 8.4 "Using Option Files": values in double quotes, with `\\` and `\"` escaped.
 */
export function optionFileText(settings: MysqlConnectionSettings, files: PemPaths, reader: OptionFileReader): string {
  const { socketPath, host, port, user, password } = settings
  const place = socketPath === undefined ? { protocol: 'tcp', host, port: String(port) } : { socket: socketPath }
  const values = { user, password: password ?? '', ...place, ...reader.more }
  const lines = Object.entries(values).map(([name, value]) => `${name}=${quoted(value, reader)}`)
  const included = reader.before === undefined ? [] : [`!include ${includable(reader.before)}`]
  return [...included, '[client]', ...lines, ...encryptionLines(settings, files, reader), ''].join('\n')
}

/** MariaDB has kept `ssl`, and verifies by itself in newer versions; MySQL has `ssl-mode` in its place, and TLS by itself. So all is said. */
function encryptionLines({ ssl }: MysqlConnectionSettings, files: PemPaths, reader: OptionFileReader): readonly string[] {
  const mariadb = reader.flavour === 'mariadb'
  if (ssl === undefined || ssl === false) return [mariadb ? 'skip-ssl' : 'ssl-mode=DISABLED']
  if (ssl.passphrase !== undefined) {
    throw new BackupError('the key of the client certificate has a passphrase, which the program of the server would ask for', {
      code: 'UNSUPPORTED',
      hint: reader.hint,
    })
  }
  const paths = Object.entries(files).map(([name, path]) => `ssl-${name}=${quoted(path, reader)}`)
  const versions = `tls-version=${ssl.minVersion === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2,TLSv1.3'}`
  return [...paths, versions, ...(mariadb ? mariadbVerification(ssl) : [`ssl-mode=${mysqlMode(ssl)}`])]
}

type Verification = Pick<Exclude<MysqlConnectionSettings['ssl'], false | undefined>, 'rejectUnauthorized' | 'verifyIdentity'>

/** Programs of MariaDB verify the name with the certificate, or neither: without `verifyIdentity` they are the stricter. */
function mariadbVerification({ rejectUnauthorized }: Verification): readonly string[] {
  return ['ssl', rejectUnauthorized ? 'ssl-verify-server-cert' : 'skip-ssl-verify-server-cert']
}

function mysqlMode({ rejectUnauthorized, verifyIdentity }: Verification): string {
  if (!rejectUnauthorized) return 'REQUIRED'
  return verifyIdentity ? 'VERIFY_IDENTITY' : 'VERIFY_CA'
}

function quoted(value: string, { hint }: OptionFileReader): string {
  if (/[\0\n\r]/.test(value)) {
    throw new BackupError('a setting of the connection holds a line break, which no option file can hold', { code: 'UNSUPPORTED', hint })
  }
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function includable(path: string): string {
  if (!/[\0\n\r]/.test(path)) return path
  throw new BackupError('physical.optionFile holds a line break', { code: 'INVALID_SETTINGS', hint: 'Give the path of an option file.' })
}
