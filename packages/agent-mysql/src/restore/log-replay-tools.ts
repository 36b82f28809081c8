import { BackupError, type CommandRunner, type OperationOptions } from '@backup-planet/core'

/** The two programs of a server that print a binlog as statements and execute them. */
export interface ReplayTools {
  readonly flavour: 'mariadb' | 'mysql'
  readonly binlog: string
  readonly client: string
  /** As the first one says it. */
  readonly version: string
}

const names = {
  mariadb: { binlog: ['mariadb-binlog', 'mysqlbinlog'], client: ['mariadb', 'mysql'] },
  mysql: { binlog: ['mysqlbinlog'], client: ['mysql'] },
} as const

/**
 * Looks for the tools that read logs of this flavour. `undefined` when they are not there, or under their names lies what belongs to the other one: MariaDB
 * installs its own as `mysqlbinlog` too, and each misreads the other's events.
 */
export async function findReplayTools(
  flavour: ReplayTools['flavour'],
  runner: CommandRunner,
  options: OperationOptions = {},
): Promise<ReplayTools | undefined> {
  const binlog = await firstOf(names[flavour].binlog, flavour, runner, options)
  const client = binlog === undefined ? undefined : await firstOf(names[flavour].client, flavour, runner, options)
  if (binlog === undefined || client === undefined) return undefined
  return { flavour, binlog: binlog.command, client: client.command, version: binlog.version }
}

async function firstOf(commands: readonly string[], flavour: ReplayTools['flavour'], runner: CommandRunner, options: OperationOptions) {
  for (const command of commands) {
    const said = await versionOf(command, runner, options)
    if (said !== undefined && /mariadb/i.test(said) === (flavour === 'mariadb')) return { command, version: said.trim().slice(0, 200) }
  }
  return undefined
}

async function versionOf(command: string, runner: CommandRunner, { signal }: OperationOptions): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await runner.run({ command, arguments: ['--no-defaults', '--version'], timeoutMs: 10_000 }, { signal })
    return exitCode === 0 ? stdout : undefined
  } catch (error) {
    if (BackupError.is(error) && (error.code === 'NOT_FOUND' || error.code === 'ACCESS_DENIED' || error.code === 'TIMED_OUT'))
      return undefined
    throw error
  }
}
