import { describeBytes } from '@backup-planet/core'
import type { BackupTool } from './backup-tool.ts'
import type { PhysicalSettings } from './physical-settings.ts'

/** The steps of a physical capture in words: the plan promises them, and the run tells each as it begins. */
export const physicalSteps = {
  examine: (source: string, version: string): string =>
    `find the data directory of ${source}, ${version}, and see that the backup tool fits it`,
  copy: (tool: BackupTool, datadir: string, bytes: number, base: { readonly id: string; readonly lsn: string } | undefined): string =>
    base === undefined
      ? `run ${tool.family}, which copies ${datadir}, ${describeBytes(bytes)}, while the application writes, and follows the redo log`
      : `run ${tool.family}, which reads all of ${datadir} and copies the pages that have changed since backup ${base.id}, LSN ${base.lsn}`,
  guard: (settings: {
    readonly longQueryGuardSeconds: number
    readonly longQueryWaitSeconds: number
    readonly longQueryAction: 'wait' | 'refuse'
  }): string =>
    settings.longQueryAction === 'wait'
      ? `before its first lock the tool waits, at most ${settings.longQueryWaitSeconds} s, until no query has run for ${settings.longQueryGuardSeconds} s`
      : `before its first lock the tool gives up when a query has run for ${settings.longQueryGuardSeconds} s`,
  store: (tool: BackupTool, settings: Pick<PhysicalSettings, 'partBytes'>): string =>
    `store what it prints, an ${tool.format} stream, in files of up to ${describeBytes(settings.partBytes)}, and check names and checksums on the way`,
  lock: (tool: BackupTool, server: { readonly logBin: boolean; readonly stages: boolean }): string => {
    const how =
      tool.family === 'xtrabackup'
        ? 'hold changes of structure'
        : server.stages
          ? 'hold commits by BACKUP STAGE BLOCK_COMMIT'
          : 'hold commits by FLUSH TABLES WITH READ LOCK'
    return `at the end of the copy ${how}, for the end of the redo log${server.logBin ? ' and the binlog position' : ''}`
  },
  complete: 'keep the copy only if the tool ends with exit code 0 and says that it is complete',
} as const
