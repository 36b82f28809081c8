import { BackupError, type CommandRunner, commandRunner, type OperationOptions } from '@backup-planet/core'
import { type ServerFlavour, versionNumbers } from '../mysql-server.ts'
import { defaultPhysicalSettings, type PhysicalSettings } from './physical-settings.ts'

type VersionNumbers = readonly [number, number, number]

/** The two programs that copy a server of one flavour, and how they are called. */
export interface BackupTool {
  readonly family: 'mariadb-backup' | 'xtrabackup'
  readonly backup: string
  readonly stream: string
  /** Of `--stream`, and what the files are named after. */
  readonly format: 'mbstream' | 'xbstream'
}

/** MariaDB has a fork of its own since 10.2, and neither program can copy a server of the other flavour. */
export function backupToolFor(flavour: ServerFlavour, settings: PhysicalSettings = defaultPhysicalSettings): BackupTool {
  const mariadb = flavour === 'mariadb'
  return {
    family: mariadb ? 'mariadb-backup' : 'xtrabackup',
    backup: settings.backupTool ?? (mariadb ? 'mariadb-backup' : 'xtrabackup'),
    stream: settings.streamTool ?? (mariadb ? 'mbstream' : 'xbstream'),
    format: mariadb ? 'mbstream' : 'xbstream',
  }
}

export interface ToolVersion {
  readonly family: 'mariadb-backup' | 'xtrabackup'
  /** What the program says of itself, such as `8.0.35-30`; of MariaDB's that of the server it belongs to. */
  readonly own: string
  /** The server that its InnoDB is of. */
  readonly server: VersionNumbers
}

/**
 * Reads what `--version` prints: `mariadb-backup based on MariaDB server 10.11.6-MariaDB debian-linux-gnu (x86_64)`,
 * `xtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64)`. `undefined` for anything else.
 */
export function parseToolVersion(text: string): ToolVersion | undefined {
  const mariadb = /based on MariaDB server (\d+\.\d+\.\d+)/.exec(text)?.[1]
  if (mariadb !== undefined) return { family: 'mariadb-backup', own: mariadb, server: versionNumbers(mariadb) }
  const match = /version (\S+) based on MySQL server (\d+\.\d+\.\d+)/.exec(text)
  const [own, server] = [match?.[1], match?.[2]]
  return own === undefined || server === undefined ? undefined : { family: 'xtrabackup', own, server: versionNumbers(server) }
}

/** Throws `NOT_FOUND` and `ACCESS_DENIED` when the program cannot be started, `UNSUPPORTED` when it is another one. */
export async function readToolVersion(
  tool: BackupTool,
  options: Pick<OperationOptions, 'signal'> = {},
  runner: CommandRunner = commandRunner,
): Promise<ToolVersion> {
  const { stdout, stderr } = await runner.run({ command: tool.backup, arguments: ['--version'], timeoutMs: 30_000 }, options)
  const version = parseToolVersion(`${stdout}\n${stderr}`)
  if (version !== undefined && version.family === tool.family) return version
  const found =
    version === undefined ? `does not say which version it is: ${`${stdout}\n${stderr}`.trim().slice(0, 200)}` : `is ${version.family}`
  throw new BackupError(`${tool.backup} ${found}, and ${tool.family} is needed`, { code: 'UNSUPPORTED', hint: toolHint(tool.family) })
}

/**
 * Why this program must not touch data of this server; `undefined` when it may. Formats of redo log and pages change between major versions. Sources:
 * MariaDB "mariadb-backup Overview", compatibility; Percona XtraBackup 8.0 "Server version and backup version comparison", which wants a patch not older than the server.
 */
export function versionProblem(version: ToolVersion, server: string): { readonly message: string; readonly hint: string } | undefined {
  const [major, minor, patch] = versionNumbers(server)
  const older = version.family === 'xtrabackup' && version.server[2] < patch
  if (version.server[0] === major && version.server[1] === minor && !older) return undefined
  const own = version.family === 'xtrabackup' ? `${version.own}, for servers up to ${version.server.join('.')}` : version.own
  return {
    message: `${version.family} is ${own}, and the server is ${server}`,
    hint: `Install ${version.family} for ${major}.${minor}${older ? ` of at least ${major}.${minor}.${patch}` : ''}, or give its path with the setting physical.backupTool.`,
  }
}

function toolHint(family: ToolVersion['family']): string {
  return family === 'mariadb-backup'
    ? 'Install the package mariadb-backup of the version of the server, or give its path with the setting physical.backupTool.'
    : 'Install Percona XtraBackup for the version of the server, or give its path with the setting physical.backupTool.'
}
