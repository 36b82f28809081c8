import { BackupError, type Problem } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { checkBinlog, checkEncryption, checkLongQueries } from '../mysql-checks.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { readOwnRights } from '../mysql-rights.ts'
import { detectServer } from '../mysql-server.ts'
import { optionFileText } from '../programs/option-file.ts'
import { backupToolFor, readToolVersion, versionProblem } from './backup-tool.ts'
import { physicalRightsProblems } from './physical-rights.ts'
import { type PhysicalSource, readPhysicalSource } from './physical-source.ts'
import { toolOptions } from './tool-options.ts'

/** Everything that would make a physical capture fail or that its operator should know; missing rights first. Changes nothing. */
export async function checkPhysicalCapture(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  items: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<readonly Problem[]> {
  let source: PhysicalSource
  try {
    source = await readPhysicalSource(session, settings, await detectServer(session), items, signal)
  } catch (error) {
    return [asProblem(error)]
  }
  const { server, datadir } = source
  return [
    ...physicalRightsProblems(await readOwnRights(session), server),
    ...(await checkTool(settings, source, signal)),
    ...checkOptionFile(settings, source),
    ...checkEncryption(settings),
    ...checkBinlog({ locking: 'auto' }, server),
    ...(await checkLongQueries(session, settings, 'the lock at the end of the copy')),
    ...Object.entries(datadir.elsewhere).map(([variable, place]): Problem => elsewhere(variable, place)),
  ]
}

async function checkTool(
  settings: ResolvedMysqlAgentSettings,
  { server }: PhysicalSource,
  signal: AbortSignal | undefined,
): Promise<Problem[]> {
  try {
    const version = await readToolVersion(backupToolFor(server.flavour, settings.physical), { signal })
    const problem = versionProblem(version, server.version)
    return problem === undefined ? [] : [{ severity: 'error', code: 'UNSUPPORTED', ...problem }]
  } catch (error) {
    return [asProblem(error)]
  }
}

/** The tool connects as the agent does, or not at all. */
function checkOptionFile(settings: ResolvedMysqlAgentSettings, { server }: PhysicalSource): Problem[] {
  try {
    optionFileText(settings, {}, toolOptions(server.flavour, settings.physical))
    return []
  } catch (error) {
    return [asProblem(error)]
  }
}

function elsewhere(variable: string, place: string): Problem {
  return {
    severity: 'warning',
    code: 'UNSUPPORTED',
    message: `${variable} is ${place}, outside the data directory: a restore puts everything into the data directory`,
    hint: `Leave ${variable} out of the configuration of the server that is started on a restored directory, or move the files there first.`,
  }
}

/** An error that the check was to find. */
function asProblem(error: unknown): Problem {
  if (!BackupError.is(error) || error.code === 'ABORTED') throw error
  return { severity: 'error', code: error.code, message: error.message, hint: error.hint ?? 'Correct what the message names.' }
}
