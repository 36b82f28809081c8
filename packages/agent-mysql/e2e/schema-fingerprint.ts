import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'

/**
 * Everything of a schema as MariaDB's own dump tool sees it: definitions in its order, rows sorted, because the order of rows of a
 * table without a key is nobody's promise. Bytes as latin1, so that nothing is lost in comparing.
 */
export async function schemaText(server: ThrowawayMariadb, schema: string): Promise<string> {
  const common = ['--skip-dump-date', '--skip-comments', '--hex-blob', '--default-character-set=binary', '--tz-utc']
  const definitions = await server.dump([...common, '--no-data', '--routines', '--events', '--triggers', '--databases', '--', schema])
  const rows = await server.dump([
    ...common,
    '--no-create-info',
    '--skip-triggers',
    '--skip-extended-insert',
    '--complete-insert',
    '--dump-history',
    '--databases',
    '--',
    schema,
  ])
  const inserts = rows
    .toString('latin1')
    .split('\n')
    .filter((line) => line.startsWith('INSERT') || line.startsWith('DO SETVAL'))
    .sort()
  return `${definitions.toString('latin1')}\n${inserts.join('\n')}`
}

/** Accounts and their grants as MariaDB's own dump tool sees them. */
export async function accountsText(server: ThrowawayMariadb): Promise<string> {
  const text = (await server.dump(['--skip-dump-date', '--skip-comments', '--system=users'])).toString('utf8')
  return text.split('\n').sort().join('\n')
}
