import { type Agent, BackupError, type OperationOptions, type Scratch, type ScratchRequest, throwIfAborted } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { isPhysicalRestore } from '../physical/index.ts'
import { openDatadirScratch } from './datadir-scratch.ts'
import { openSchemaScratch } from './schema-scratch.ts'
import { parseScratchOptions } from './scratch-options.ts'
import { openServerScratch } from './server-scratch.ts'

/** Makes an agent for another server; for that of the settings without one. */
export type AgentOn = (server: MysqlConnectionSettings | undefined) => Agent

/**
 * An empty place to try a restore in: a private server, for a physical backup a data directory on which one is then started, or schemas of a name of their own
 * on the server of these settings.
 */
export async function openMysqlScratch(
  settings: MysqlConnectionSettings,
  request: ScratchRequest,
  agentOn: AgentOn,
  { signal }: OperationOptions = {},
): Promise<Scratch> {
  throwIfAborted(signal, 'opening a scratch place')
  const choices = parseScratchOptions(request.options)
  const physical = isPhysicalRestore({ backups: request.backups, target: { overwrite: false } })
  if (request.place === 'private') {
    return await (physical ? openDatadirScratch : openServerScratch)(request, choices, agentOn, { signal })
  }
  if (!physical) return await openSchemaScratch(settings, request, choices, agentOn, { signal })
  throw new BackupError('a copy of a whole server cannot be restored beside what is on another one', {
    code: 'UNSUPPORTED',
    hint: 'Drill it in a private place, which needs the server of the same version on this machine.',
  })
}
