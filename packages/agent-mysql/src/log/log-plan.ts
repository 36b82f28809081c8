import type { CapturePlan, Position } from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { Continuation } from './log-continuation.ts'
import { logSteps } from './log-steps.ts'
import type { ServerBinlog } from './server-binlogs.ts'

export interface LogPlanOptions {
  readonly settings: Pick<ResolvedMysqlAgentSettings, 'binlogFetch' | 'purgeBinlogs'>
  readonly source: string
  readonly continuation: Continuation
  /** Whether anything was written since the backup that is continued. */
  readonly written: boolean
}

/** The numbered steps of a log backup. Files that are written between the plan and the run are not in it. */
export function planLogCapture({ settings, source, continuation, written }: LogPlanOptions): CapturePlan {
  const { follows = '', from } = continuation.next
  const binlogs = from === undefined || !written ? [] : since(continuation.binlogs, from)
  const { purgeBinlogs } = settings
  const texts = [
    ...(from === undefined ? [] : [logSteps.compare(follows, from)]),
    ...(written ? [logSteps.flush, logSteps.copy(binlogs, settings.binlogFetch), logSteps.continuity] : [logSteps.nothing]),
    ...(purgeBinlogs === 'never' ? [] : [logSteps.purge(purgeBinlogs.keepHours)]),
    ...(continuation.next.warning === undefined ? [] : [`note: ${continuation.next.warning}`]),
  ]
  const bytes = binlogs.reduce((sum, binlog) => sum + binlog.bytes, 0)
  return {
    application: 'mysql',
    source,
    kind: 'log',
    items: [{ name: binlogItem, bytes, detail: binlogs.length === 1 ? '1 binlog' : `${binlogs.length} binlogs` }],
    bytes,
    steps: texts.map((text, index) => ({ number: index + 1, text })),
  }
}

function since(binlogs: readonly ServerBinlog[], { value: { file } }: Position): readonly ServerBinlog[] {
  return binlogs.slice(binlogs.findIndex(({ name }) => name === file))
}
