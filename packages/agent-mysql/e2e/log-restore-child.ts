import { readFile } from 'node:fs/promises'
import type { RestorePlan } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import type { FolderBackup } from './folder-backup.ts'
import { ChainFiles } from './replay-fixture.ts'

/** A restore with logs in a process of its own, which a test may kill. */
interface LogRestoreChildWork {
  readonly settings: ResolvedMysqlAgentSettings
  readonly plan: RestorePlan
  readonly folders: readonly FolderBackup[]
}

const work = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as LogRestoreChildWork
await runMysqlRestore(work.settings, work.plan, new ChainFiles(work.folders))
