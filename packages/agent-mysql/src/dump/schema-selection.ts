import type { Problem } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { journalSchema } from '../restore/restore-journal.ts'
import { isSystemSchema, readSystemSchemas } from '../system-schemas.ts'
import { unloggedSchema } from '../unlogged-restore.ts'
import { isForeignSchema, schemaIsSelected } from './name-selection.ts'

export interface SelectedSchemas {
  /** In the order of the server. */
  readonly schemas: readonly string[]
  /** Schemas that nobody asked to leave out and that are left out all the same, as warnings. The server's own are not among them. */
  readonly leftOut: readonly Problem[]
  /** All that are not the server's own, selected or not; nor is what restores leave there. */
  readonly listed: readonly string[]
}

/** The schemas that the settings select, of those that the account can see. */
export async function selectSchemas(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
): Promise<SelectedSchemas> {
  const system = await readSystemSchemas(session, server)
  const rows = await session.rows('SELECT schema_name FROM information_schema.schemata ORDER BY schema_name', 'listing the schemas')
  const all = rows.map((row) => row.text('schema_name')).filter((schema) => !isSystemSchema(schema, system) && schema !== unloggedSchema)
  const selected = all.filter((schema) => schemaIsSelected(settings, schema))
  return {
    schemas: selected.filter((schema) => !isForeignSchema(schema) && schema !== journalSchema),
    leftOut: selected.flatMap((schema) =>
      schema === journalSchema ? [journalLeftOut] : isForeignSchema(schema) ? [foreignSchema(schema)] : [],
    ),
    listed: all.filter((schema) => schema !== journalSchema),
  }
}

const journalLeftOut: Problem = {
  severity: 'warning',
  code: 'INCONSISTENT',
  message: `${journalSchema} is left out: it is the journal of a restore that was cut, and what that restores is not complete`,
  hint: `Run that restore again until it ends, or drop ${journalSchema} when it is given up.`,
}

function foreignSchema(schema: string): Problem {
  const hint = schema.startsWith('#mysql50#')
    ? `Run ALTER DATABASE \`${schema}\` UPGRADE DATA DIRECTORY NAME, or remove the directory.`
    : 'Remove the directory from the data directory of the server if it is no schema.'
  return { severity: 'warning', code: 'UNSUPPORTED', message: `${schema} is a directory and no schema; it is left out`, hint }
}
