import { type OperationOptions, type Problem, type Scratch, type ScratchRequest, throwIfAborted } from '@backup-planet/core'
import { accountsItem, binlogItem } from '../dump-layout.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect } from '../mysql-connection.ts'
import { detectServer } from '../mysql-server.ts'
import type { AgentOn } from './open-scratch.ts'
import { newSchemaPrefix, scratchSchema } from './schema-names.ts'
import { holdDrill, removeJournal, removeSchemaRemains, removeSchemas, schemasUnseen } from './schema-remains.ts'
import type { ScratchOptions } from './scratch-options.ts'
import { checkRestoredTables } from './table-checks.ts'
import { versionProblems } from './version-problems.ts'

/**
 * Schemas of the server of these settings whose names nobody else has: each item of a dump under another one. Nothing else there is touched: no accounts,
 * events stay disabled, and whoever restores is the definer. Logs name schemas as they were, so they cannot be replayed here.
 */
export async function openSchemaScratch(
  settings: MysqlConnectionSettings,
  request: ScratchRequest,
  choices: ScratchOptions,
  agentOn: AgentOn,
  { signal }: Pick<OperationOptions, 'signal'>,
): Promise<Scratch> {
  const drill = newSchemaPrefix(request.keep === true)
  const full = request.backups.findLast(({ kind }) => kind === 'full')
  const restorable = (full?.items ?? []).flatMap(({ item, failure }) => (failure === undefined ? [item] : []))
  const schemas = (request.items ?? restorable).filter((item) => item !== accountsItem && item !== binlogItem)
  await using opened = new AsyncDisposableStack()
  // Its lock says that the schemas are in use.
  const held = opened.use(await connect(settings, { signal, setup: ['SET SESSION foreign_key_checks = 0'] }))
  const { version } = await detectServer(held)
  await holdDrill(held, drill)
  await removeSchemaRemains(held)
  throwIfAborted(signal, 'opening a scratch place')
  const kept = opened.move()
  return {
    name: `schemas ${drill.prefix}* on ${settings.socketPath ?? `${settings.host}:${settings.port}`}`,
    version,
    agent: agentOn(undefined),
    target: {
      overwrite: false,
      rename: Object.fromEntries(schemas.map((item) => [item, scratchSchema(drill, item)])),
      options: { ...choices.restore, users: 'none', stripDefiner: true, enableEvents: false },
    },
    restoresLogs: false,
    problems: [...accountProblems(restorable), ...versionProblems('a server of version', version, full?.source.version ?? '')],
    async check(report, options = {}) {
      throwIfAborted(options.signal, 'the check of what was restored')
      await using session = await connect(settings, { signal: options.signal })
      return await checkRestoredTables(session, report, options)
    },
    async [Symbol.asyncDispose]() {
      if (kept.disposed) return
      try {
        // The other one may be gone, as it is after an abort.
        const connected = connect(settings, { setup: ['SET SESSION foreign_key_checks = 0'] })
        await using session = await connected.catch((error: unknown) => {
          throw schemasUnseen(drill, error)
        })
        await (request.keep === true ? removeJournal : removeSchemas)(session, drill)
      } finally {
        await kept.disposeAsync()
      }
    },
  }
}

function accountProblems(items: readonly string[]): readonly Problem[] {
  if (!items.includes(accountsItem)) return []
  return [
    {
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: 'accounts are not restored to a server that others use, so nothing is known of them',
      hint: 'Drill in a private place to see whether accounts and definers come back.',
    },
  ]
}
