import type { OperationOptions, Problem, RestoredFiles, RestorePlan } from '@backup-planet/core'
import { connect } from '../mysql-connection.ts'
import { detectServer } from '../mysql-server.ts'
import { replayLogs } from '../restore/log-replay.ts'
import type { ReplayFacts } from '../restore/log-replay-facts.ts'
import { type Preflight, preflightLogs } from '../restore/log-replay-preflight.ts'
import { preparedTransactions } from '../restore/prepared-transactions.ts'
import { RestoreJournal } from '../restore/restore-journal.ts'
import type { PhysicalRestoreOptions } from './physical-restore-options.ts'
import { PrivateServer, type PrivateServerOptions, privateAccount } from './private-server.ts'
import { findServerProgram } from './server-program.ts'

export interface CopyLogs extends OperationOptions {
  readonly plan: RestorePlan
  readonly files: RestoredFiles
  readonly facts: ReplayFacts
  readonly restore: Omit<PhysicalRestoreOptions, 'datadir'>
}

/** Finds the end of the replay before anything is unpacked. Throws what {@link preflightLogs} does. */
export function preflightCopyLogs({ plan, files, facts, restore, ...options }: CopyLogs): Promise<Preflight> {
  const choice = { skipped: new Set(restore.skipGtids), accountsLeftAlone: 'all' } as const
  return preflightLogs({ ...options, files, facts, stop: plan.request.stop, choice })
}

export interface CopyReplay extends CopyLogs {
  readonly preflight: Preflight
  /** Of the server that was copied. */
  readonly source: { readonly version: string; readonly variables: Readonly<Record<string, string>> }
  readonly data: string
  readonly owner: PrivateServerOptions['owner']
  onStep(name: 'replay' | 'shutDown'): void
}

/**
 * Applies logs to a prepared copy by a server of its own, and leaves a directory of a server that was shut down. After an error the directory is of no use. Returns what whoever starts the
 * server on it must know.
 */
export async function replayOnCopy(options: CopyReplay): Promise<readonly Problem[]> {
  const { plan, facts, restore, preflight, source, data, owner, signal } = options
  const program = await findServerProgram(facts.flavour, source.version, restore.serverProgram, { signal })
  await using server = await PrivateServer.start(
    { program, data, owner, memoryBytes: restore.useMemoryBytes, variables: source.variables },
    { signal },
  )
  options.onStep('replay')
  const problems = await replay(server, options)
  options.onStep('shutDown')
  await server.shutDown({ signal })
  return problems

  async function replay({ settings }: PrivateServer, { files, onProgress }: CopyReplay): Promise<readonly Problem[]> {
    await using connection = await connect(settings, { signal })
    const journal = await RestoreJournal.create(connection, plan)
    await replayLogs({
      signal,
      ...(onProgress === undefined ? {} : { onProgress }),
      settings,
      server: await detectServer(connection),
      files,
      facts,
      end: preflight.end,
      // Accounts are those of the copied server, and become what they were on it.
      choice: { skipped: new Set(restore.skipGtids), accountsLeftAlone: new Set([privateAccount]) },
      binlog: true,
      anyWay: restore.replay === 'auto',
    })
    await journal.remove(connection)
    return await preparedTransactions(connection)
  }
}
