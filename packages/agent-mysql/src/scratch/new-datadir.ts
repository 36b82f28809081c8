import { access, constants } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { commandRunner, type OperationOptions } from '@backup-planet/core'
import type { DatadirState } from '../physical/datadir-state.ts'
import type { ServerProgram } from '../physical/server-program.ts'
import { toolFailure } from '../physical/tool-failures.ts'

export interface NewDatadir {
  readonly program: ServerProgram
  /** Not there yet. */
  readonly data: string
  readonly owner: DatadirState['owner']
  readonly lowerCaseTableNames?: string | undefined
}

/**
 * What a server need not do whose data directory is thrown away: write through to the disk. `nosync` is for measuring, by the documentation of both; a crash of
 * the machine ends the drill all the same.
 */
export const hurried: Readonly<Record<string, string>> = { loose_innodb_flush_method: 'nosync', loose_innodb_doublewrite: '0' }

/** Fills a new data directory with the system tables of this server, by the way of its own documentation. Throws what its program says. */
export async function createDatadir(datadir: NewDatadir, { signal }: Pick<OperationOptions, 'signal'>): Promise<void> {
  const { program, data, owner, lowerCaseTableNames } = datadir
  const common = [
    '--no-defaults',
    `--datadir=${data}`,
    ...(lowerCaseTableNames === undefined ? [] : [`--lower-case-table-names=${lowerCaseTableNames}`]),
    ...Object.entries(hurried).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`),
    ...(process.getuid?.() === 0 ? [`--user=${owner?.name ?? 'root'}`] : []),
  ]
  const command =
    program.flavour === 'mariadb'
      ? { command: await installerOf(program), arguments: [...common, '--skip-test-db', '--skip-name-resolve', ...(await baseOf(program))] }
      : // The password that it makes up goes with what it says.
        { command: program.command, arguments: [...common, '--initialize'] }
  const result = await commandRunner.run({ ...command, environment: { LC_ALL: 'C', TZ: 'UTC' }, outputLimitBytes: 65_536 }, { signal })
  if (result.exitCode !== 0) throw toolFailure(command.command, 'making a data directory', result)
}

/** MariaDB documentation, "mariadb-install-db". It lies beside a server that was unpacked from an archive. */
async function installerOf({ command }: ServerProgram): Promise<string> {
  const base = baseDirectory(command)
  const places = base === undefined ? [] : ['scripts', 'bin'].map((folder) => join(base, folder, 'mariadb-install-db'))
  for (const place of places) if (await isProgram(place)) return place
  return 'mariadb-install-db'
}

async function baseOf({ command }: ServerProgram): Promise<readonly string[]> {
  const base = baseDirectory(command)
  return base === undefined || base === '/usr' ? [] : [`--basedir=${base}`]
}

function baseDirectory(command: string): string | undefined {
  return isAbsolute(command) ? join(command, '..', '..') : undefined
}

function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}
