import { readFile } from 'node:fs/promises'
import type { RestorePlan } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { FolderFiles, openFolderBackup } from './folder-backup.ts'

/** A restore in a process of its own, which a test may kill. Says `begun` before it begins; its report is its last line. */
export interface RestoreChildWork {
  readonly settings: ResolvedMysqlAgentSettings
  readonly plan: RestorePlan
  readonly directory: string
}

const work = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as RestoreChildWork
process.stdout.write('begun\n')
const files = new FolderFiles(work.directory, await openFolderBackup(work.directory))
const report = await runMysqlRestore(work.settings, work.plan, files)
process.stdout.write(`${JSON.stringify(report)}\n`)
