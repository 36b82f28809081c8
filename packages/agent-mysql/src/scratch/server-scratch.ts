import { type OperationOptions, type Scratch, type ScratchRequest, throwIfAborted } from '@backup-planet/core'
import { connect } from '../mysql-connection.ts'
import { flavourOf } from '../mysql-server.ts'
import { variablesOf } from '../physical/physical-plan-facts.ts'
import { PrivateServer } from '../physical/private-server.ts'
import { findSimilarProgram } from '../physical/server-program.ts'
import { createDatadir, hurried } from './new-datadir.ts'
import type { AgentOn } from './open-scratch.ts'
import { ScratchDirectory } from './scratch-directory.ts'
import type { ScratchOptions } from './scratch-options.ts'
import { checkRestoredTables } from './table-checks.ts'
import { versionProblems } from './version-problems.ts'

/** A server of its own on a new data directory, which nobody else can reach and which is gone afterwards: for dumps and the logs behind them. */
export async function openServerScratch(
  request: ScratchRequest,
  choices: ScratchOptions,
  agentOn: AgentOn,
  { signal }: Pick<OperationOptions, 'signal'>,
): Promise<Scratch> {
  const full = request.backups.find(({ kind }) => kind === 'full') ?? request.backups[0]
  const source = full?.source.version ?? ''
  const flavour = flavourOf(source, undefined) === 'mariadb' ? 'mariadb' : 'mysql'
  const program = await findSimilarProgram(flavour, source, choices.serverProgram, { signal })
  const variables = full === undefined ? {} : variablesOf(full)
  const { lower_case_table_names: lowerCaseTableNames } = variables
  await using opened = new AsyncDisposableStack()
  const directory = opened.use(await ScratchDirectory.create(request.directory, request.keep === true))
  const { data, owner } = directory
  await createDatadir({ program, data, owner, lowerCaseTableNames }, { signal })
  throwIfAborted(signal, 'opening a scratch place')
  const server = opened.use(
    await PrivateServer.start(
      { program, data, owner, memoryBytes: choices.useMemoryBytes, variables: { ...variables, ...hurried, local_infile: '1' } },
      { signal },
    ),
  )
  const kept = opened.move()
  return {
    name: directory.path,
    version: program.version,
    agent: agentOn(server.settings),
    target: { overwrite: false, options: choices.restore },
    restoresLogs: true,
    directory: directory.path,
    problems: versionProblems(program.command, program.version, source),
    async check(report, options = {}) {
      throwIfAborted(options.signal, 'the check of what was restored')
      await using session = await connect(server.settings, { signal: options.signal })
      return await checkRestoredTables(session, report, options)
    },
    async [Symbol.asyncDispose]() {
      // What is kept is kept whole; where it does not end in order, it is ended all the same.
      if (request.keep === true && !kept.disposed) await server.shutDown().catch(() => undefined)
      await kept.disposeAsync()
    },
  }
}
