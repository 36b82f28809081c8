import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import type { BackupTool } from './backup-tool.ts'

/**
 * How a program of the server connects, as an option file: in none of its arguments and nowhere in its environment. Given by `--defaults-file`, so that what lies in
 * the home of whoever runs this has no say; `before` is a file that is read first.
 * Source: MariaDB "Configuring MariaDB with Option Files", MySQL 8.4 "Using Option Files": values in double quotes, with `\\` and `\"` escaped.
 */
export function optionFileText(
  family: BackupTool['family'],
  settings: MysqlConnectionSettings,
  files: OptionFileSecrets,
  before?: string,
): string {
  const lines: (readonly [name: string, value: string | undefined])[] = [
    ['user', settings.user],
    ['password', settings.password ?? ''],
    ...(settings.socketPath === undefined
      ? ([
          ['host', settings.host],
          ['port', String(settings.port)],
          ['protocol', 'tcp'],
        ] as const)
      : ([['socket', settings.socketPath]] as const)),
    ['ssl-ca', files.ca],
    ['ssl-cert', files.cert],
    ['ssl-key', files.key],
  ]
  const options = lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]))
  return [
    ...(before === undefined ? [] : [`!include ${includable(before)}`]),
    '[client]',
    ...options,
    ...(settings.socketPath === undefined ? encryptionLines(family, settings.ssl) : []),
    '',
  ].join('\n')
}

/** MariaDB has kept `ssl`, MySQL has `ssl-mode` in its place. */
function encryptionLines(family: BackupTool['family'], ssl: MysqlConnectionSettings['ssl']): readonly string[] {
  if (ssl === undefined) return []
  if (family === 'mariadb-backup') {
    if (ssl === false) return ['skip-ssl']
    return ssl.rejectUnauthorized ? ['ssl', 'ssl-verify-server-cert'] : ['ssl']
  }
  if (ssl === false) return ['ssl-mode=DISABLED']
  if (!ssl.rejectUnauthorized) return ['ssl-mode=REQUIRED']
  return [ssl.verifyIdentity ? 'ssl-mode=VERIFY_IDENTITY' : 'ssl-mode=VERIFY_CA']
}

/** Paths of files that hold what the settings hold as text. */
export interface OptionFileSecrets {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Writes the option file and what it names into a directory of mode 0700, readable by nobody else. Returns its path. */
export async function writeOptionFile(
  directory: string,
  family: BackupTool['family'],
  settings: MysqlConnectionSettings,
  before?: string,
): Promise<string> {
  const files: { ca?: string; cert?: string; key?: string } = {}
  const { ssl } = settings
  if (typeof ssl === 'object') {
    for (const name of ['ca', 'cert', 'key'] as const) {
      const text = ssl[name]
      if (text === undefined) continue
      files[name] = join(directory, `${name}.pem`)
      await writeFile(files[name], text, { mode: 0o600, flag: 'wx' })
    }
  }
  const path = join(directory, 'client.cnf')
  await writeFile(path, optionFileText(family, settings, files, before), { mode: 0o600, flag: 'wx' })
  return path
}

function quoted(value: string): string {
  if (/[\0\n\r]/.test(value)) {
    throw new BackupError('user, password or socket hold a line break, which no option file can hold', {
      code: 'UNSUPPORTED',
      hint: 'Choose a password without line breaks for the account that backs up.',
    })
  }
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function includable(path: string): string {
  if (!/[\0\n\r]/.test(path)) return path
  throw new BackupError('physical.optionFile holds a line break', { code: 'INVALID_SETTINGS', hint: 'Give the path of an option file.' })
}
