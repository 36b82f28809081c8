import { readFile } from 'node:fs/promises'
import type { Backup, RestorePlan } from '@backup-planet/core'
import { createMysqlAgent } from '../src/index.ts'
import type { MysqlAgentSettings } from '../src/mysql-agent-settings.ts'
import { DirectoryStage } from './directory-stage.ts'
import { filesBelow } from './physical-fixture.ts'

/** A physical capture or restore in a process of its own, which a test may kill. Says `begun` before it begins, and `ended` at its end. */
export type PhysicalChildWork =
  | { readonly action: 'capture'; readonly settings: MysqlAgentSettings; readonly directory: string }
  | {
      readonly action: 'restore'
      readonly settings: MysqlAgentSettings
      readonly directory: string
      readonly plan: RestorePlan
      readonly backups: readonly Backup[]
    }

const work = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as PhysicalChildWork
const agent = createMysqlAgent(work.settings)
process.stdout.write('begun\n')
if (work.action === 'capture') {
  await using capture = await agent.beginCapture({ job: 'test', kind: 'full', chain: [] })
  await capture.copyTo(new DirectoryStage(work.directory))
} else await agent.restore(work.plan, filesBelow(work.directory, work.backups))
process.stdout.write('ended\n')
