import type { BackupTool } from './backup-tool.ts'

export interface BackupArguments {
  /** Names the file that holds how to connect: `--defaults-file=…`. The tools want it as the first argument. */
  readonly optionFile: string
  /** For what the tool keeps while it runs; nothing of the backup lies there. */
  readonly workDirectory: string
  /** Where the tool leaves a copy of its LSNs and position. */
  readonly factsDirectory: string
  readonly parallel: number
  /** Only pages that have changed since. */
  readonly sinceLsn?: string
  /** Queries that run for longer are waited for at most so long, before the first lock is taken. */
  readonly longQueries?: { readonly seconds: number; readonly waitSeconds: number }
}

/** Sources: MariaDB "mariadb-backup Options", Percona XtraBackup 8.0 "xtrabackup option reference". */
export function backupArguments(tool: BackupTool, wanted: BackupArguments): readonly string[] {
  return [
    wanted.optionFile,
    '--backup',
    `--stream=${tool.format}`,
    `--target-dir=${wanted.workDirectory}`,
    `--extra-lsndir=${wanted.factsDirectory}`,
    `--parallel=${wanted.parallel}`,
    ...(wanted.sinceLsn === undefined ? [] : [`--incremental-lsn=${wanted.sinceLsn}`]),
    ...(wanted.longQueries === undefined
      ? []
      : [`--ftwrl-wait-threshold=${wanted.longQueries.seconds}`, `--ftwrl-wait-timeout=${wanted.longQueries.waitSeconds}`]),
  ]
}

export interface PrepareArguments {
  readonly directory: string
  readonly memoryBytes: number
  /** Folder of a differential to put over it. */
  readonly incremental?: string
  /** Another differential follows. */
  readonly more: boolean
}

/** xtrabackup must not roll back before the last differential is in; mariadb-backup does that by itself since 10.2. */
export function prepareArguments(tool: BackupTool, wanted: PrepareArguments): readonly string[] {
  return [
    '--no-defaults',
    '--prepare',
    ...(wanted.more && tool.family === 'xtrabackup' ? ['--apply-log-only'] : []),
    `--target-dir=${wanted.directory}`,
    ...(wanted.incremental === undefined ? [] : [`--incremental-dir=${wanted.incremental}`]),
    `--use-memory=${wanted.memoryBytes}`,
  ]
}

export function extractArguments(directory: string): readonly string[] {
  return ['-x', '-C', directory]
}
