import { type EngineCheck, type OperationOptions, type Scratch, type ScratchRequest, throwIfAborted } from '@backup-planet/core'
import { connect } from '../mysql-connection.ts'
import { physicalChain } from '../physical/physical-chain.ts'
import { instanceItem } from '../physical/physical-layout.ts'
import { variablesOf } from '../physical/physical-plan-facts.ts'
import { PrivateServer } from '../physical/private-server.ts'
import { findServerProgram } from '../physical/server-program.ts'
import type { AgentOn } from './open-scratch.ts'
import { ScratchDirectory } from './scratch-directory.ts'
import type { ScratchOptions } from './scratch-options.ts'
import { checkSchema, schemasToCheck } from './table-checks.ts'
import { versionProblems } from './version-problems.ts'

/** A directory into which a copy of a server's files is restored, and on which a server that nobody else can reach is started for the check. */
export async function openDatadirScratch(
  request: ScratchRequest,
  choices: ScratchOptions,
  agentOn: AgentOn,
  { signal }: Pick<OperationOptions, 'signal'>,
): Promise<Scratch> {
  const { full, differential } = physicalChain(request.backups)
  const last = (differential ?? full).backup
  const flavour = full.facts.format === 'mbstream' ? 'mariadb' : 'mysql'
  // Without it the copy could be unpacked, and nobody would know whether a server starts on it.
  const program = await findServerProgram(flavour, last.source.version, choices.serverProgram, { signal })
  const directory = await ScratchDirectory.create(request.directory, request.keep === true)
  const { data, owner } = directory
  const start = (options: OperationOptions) =>
    PrivateServer.start({ program, data, owner, memoryBytes: choices.useMemoryBytes, variables: variablesOf(last) }, options)
  const { serverProgram, useMemoryBytes, restore } = choices
  return {
    name: directory.path,
    version: program.version,
    agent: agentOn(undefined),
    target: {
      overwrite: false,
      options: { ...restore, datadir: data, useMemoryBytes, ...(serverProgram === undefined ? {} : { serverProgram }) },
    },
    restoresLogs: true,
    directory: directory.path,
    problems: versionProblems(program.command, program.version, last.source.version),
    async check(_report, options = {}) {
      throwIfAborted(options.signal, 'the check of what was restored')
      await using server = await start(options)
      await using session = await connect(server.settings, { signal: options.signal })
      const checks: EngineCheck[] = [{ item: instanceItem, name: 'start of a server', expected: 'ready', found: 'ready', passed: true }]
      for (const schema of await schemasToCheck(session)) checks.push(...(await checkSchema(session, instanceItem, schema, options)))
      if (request.keep === true) await server.shutDown()
      return checks
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}
