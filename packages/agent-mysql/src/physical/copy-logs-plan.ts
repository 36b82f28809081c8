import { BackupError, commandRunner, type Json, type OperationOptions, type Problem, type RestoreRequest } from '@backup-planet/core'
import { flavourOf } from '../mysql-server.ts'
import { readLogChain } from '../restore/log-chain.ts'
import { replayFacts } from '../restore/log-replay-facts.ts'
import { logFormatProblems, replayStep, stopProblems, toolProblems } from '../restore/log-replay-plan.ts'
import { findReplayTools } from '../restore/log-replay-tools.ts'
import { closedFolder } from './closed-folder.ts'
import type { DatadirState } from './datadir-state.ts'
import type { PhysicalChain } from './physical-chain.ts'
import type { PhysicalRestoreOptions } from './physical-restore-options.ts'
import { findServerProgram, type ServerProgram } from './server-program.ts'

/** What a plan says of the logs behind a copy of files. */
export interface CopyLogsPlan {
  readonly steps: { readonly start: string; readonly replay: string; readonly shutDown: string }
  readonly problems: readonly Problem[]
  readonly facts: Readonly<Record<string, Json>>
  readonly bytes: number
}

/** `undefined` without logs. What the logs hold is only read when the plan is executed. */
export async function planCopyLogs(
  { full, differential, later: logs }: PhysicalChain,
  { stop }: RestoreRequest,
  restore: PhysicalRestoreOptions,
  target: Pick<DatadirState, 'parent' | 'owner'>,
  options: Pick<OperationOptions, 'signal'>,
): Promise<CopyLogsPlan | undefined> {
  if (logs.length === 0) return undefined
  const last = (differential ?? full).backup
  const chain = readLogChain(last, logs)
  const flavour = flavourOf(last.source.version, undefined) === 'mariadb' ? 'mariadb' : 'mysql'
  const tools = restore.replay === 'statements' ? undefined : await findReplayTools(flavour, commandRunner, options)
  const problems: Problem[] = [...chain.problems, ...logFormatProblems(logs), ...toolProblems(restore, tools, flavour)]
  problems.push(...stopProblems(stop, chain))
  problems.push(...(await reachProblems(target)))
  let program: ServerProgram | undefined
  try {
    program = await findServerProgram(flavour, last.source.version, restore.serverProgram, options)
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    problems.push({ severity: 'error', code: error.code, message: error.message, hint: error.hint ?? 'Install the server.' })
  }
  return {
    steps: {
      start: `start ${program?.command ?? flavour} ${program?.version ?? ''} on the copy, where nobody else can reach it: without network, its socket in a directory of mode 0700, without events and replication`,
      replay: replayStep({ full: last, logs, stop, schemas: undefined }, chain, tools),
      shutDown: 'shut it down in order',
    },
    problems,
    facts: replayFacts({ chain, backups: [last, ...logs], flavour, tools, schemas: undefined, leftOut: undefined, accounts: true }),
    bytes: chain.files.reduce((sum, file) => sum + file.bytes, 0),
  }
}

/** The server on the copy runs as the owner of the restored files, beside the target. */
async function reachProblems({ parent, owner }: Pick<DatadirState, 'parent' | 'owner'>): Promise<Problem[]> {
  const closed = owner === undefined ? undefined : await closedFolder(parent, owner)
  if (owner === undefined || closed === undefined) return []
  return [
    {
      severity: 'warning',
      code: 'ACCESS_DENIED',
      message: `${owner.name} may not pass through ${closed.path}, and the server that replays the logs beside the target runs as ${owner.name}`,
      hint: `Run ${closed.opened}, or give another place with the option datadir.`,
    },
  ]
}
