import { access, constants } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { BackupError, type CommandRunner, commandRunner, type OperationOptions } from '@backup-planet/core'
import { flavourOf, type ServerFlavour, versionNumbers } from '../mysql-server.ts'

/** The program of a server on this machine. */
export interface ServerProgram {
  readonly command: string
  /** As it says it: `10.11.6-MariaDB-0+deb12u1`. */
  readonly version: string
  readonly flavour: ServerFlavour
}

/** Servers lie where the PATH of an ordinary user does not lead. */
const names = {
  mariadb: ['mariadbd', '/usr/sbin/mariadbd', '/usr/libexec/mariadbd', 'mysqld', '/usr/sbin/mysqld'],
  mysql: ['mysqld', '/usr/sbin/mysqld', '/usr/libexec/mysqld'],
} as const

/**
 * Looks for the server that can go on with a copy of another one: the same release series for MariaDB; the same version for MySQL, which brings a data directory up to its own version as soon
 * as it starts. Throws `NOT_FOUND` without one, `UNSUPPORTED` for another one.
 */
export async function findServerProgram(
  flavour: 'mariadb' | 'mysql',
  source: string,
  wanted: string | undefined,
  options: Pick<OperationOptions, 'signal'> = {},
  runner: CommandRunner = commandRunner,
): Promise<ServerProgram> {
  const commands = wanted === undefined ? names[flavour] : [wanted]
  let other: ServerProgram | undefined
  for (const command of commands) {
    const found = await programAt(command, options, runner)
    if (found === undefined) continue
    if (isSameServer(found, flavour, source)) return found
    other ??= found
  }
  const hint = `Install the server of ${source} on this machine, which need not run, or give its path with the option serverProgram; or restore the backup before the logs alone (--backup with its id).`
  if (other !== undefined) {
    throw new BackupError(`${other.command} is of ${other.version}, and logs of ${source} are to be replayed on a copy of that server`, {
      code: 'UNSUPPORTED',
      hint,
    })
  }
  throw new BackupError(`there is no ${commands[0]}, which replays the logs on the copy`, { code: 'NOT_FOUND', hint })
}

/**
 * Looks for a server that a dump of another one can be restored to: the one that could go on with its files where there is one, else any of its kind. Throws
 * `NOT_FOUND` without one.
 */
export async function findSimilarProgram(
  flavour: 'mariadb' | 'mysql',
  source: string,
  wanted: string | undefined,
  options: Pick<OperationOptions, 'signal'> = {},
  runner: CommandRunner = commandRunner,
): Promise<ServerProgram> {
  let other: ServerProgram | undefined
  for (const command of wanted === undefined ? names[flavour] : [wanted]) {
    const found = await programAt(command, options, runner)
    if (found === undefined || (found.flavour === 'mariadb') !== (flavour === 'mariadb')) continue
    if (isSameServer(found, flavour, source)) return found
    other ??= found
  }
  if (other !== undefined) return other
  throw new BackupError(`there is no ${wanted ?? names[flavour][0]} of ${flavour} on this machine to restore to`, {
    code: 'NOT_FOUND',
    hint: `Install the server of ${source} on this machine, which need not run, or give its path with the option serverProgram.`,
  })
}

async function programAt(
  command: string,
  options: Pick<OperationOptions, 'signal'>,
  runner: CommandRunner,
): Promise<ServerProgram | undefined> {
  if (isAbsolute(command) && !(await isProgram(command))) return undefined
  try {
    const { stdout } = await runner.run({ command, arguments: ['--no-defaults', '--version'], timeoutMs: 30_000 }, options)
    return parseServerVersion(command, stdout)
  } catch (error) {
    if (BackupError.is(error) && ['NOT_FOUND', 'ACCESS_DENIED', 'TIMED_OUT'].includes(error.code)) return undefined
    throw error
  }
}

function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** `mariadbd  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)`, `/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)`. */
export function parseServerVersion(command: string, text: string): ServerProgram | undefined {
  const version = /\bVer (\d+\.\d+\.\d+\S*)/.exec(text)?.[1]
  return version === undefined ? undefined : { command, version, flavour: flavourOf(version, text) }
}

export function isSameServer(program: ServerProgram, flavour: 'mariadb' | 'mysql', source: string): boolean {
  if ((program.flavour === 'mariadb') !== (flavour === 'mariadb')) return false
  const [major, minor, patch] = versionNumbers(program.version)
  const [sourceMajor, sourceMinor, sourcePatch] = versionNumbers(source)
  return major === sourceMajor && minor === sourceMinor && (flavour === 'mariadb' || patch === sourcePatch)
}
