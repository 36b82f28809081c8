import type { ProgramContext } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteText } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { restoreSqlMode } from './restore-session.ts'

/** The collation `binary`: the driver then sends each character of a string as one byte. */
const binaryCollation = 63

/** Modes that MySQL 8.0 removed; it refuses a list that names one. */
const removedModes: ReadonlySet<string> = new Set(
  'DB2,MAXDB,MSSQL,MYSQL323,MYSQL40,ORACLE,POSTGRESQL,NO_FIELD_OPTIONS,NO_KEY_OPTIONS,NO_TABLE_OPTIONS,NO_AUTO_CREATE_USER'.split(','),
)

/**
 * Executes DROP and CREATE of a stored program in the session it was created in: the server keeps that SQL mode, those character sets
 * and that time zone with it, and the text must reach the server in its own character set. (MariaDB knows PACKAGE only in SQL mode ORACLE, in DROP too.)
 */
export async function runProgram(
  connection: MysqlConnection,
  server: ServerFacts,
  program: { readonly statements: readonly string[]; readonly context: ProgramContext; readonly during: string },
): Promise<void> {
  const { context, during } = program
  const encoded: (Buffer | undefined)[] = []
  for (const sql of program.statements) encoded.push(await inClientCharacterSet(connection, sql, context.characterSetClient))
  const modes = context.sqlMode
    .split(',')
    .filter((mode) => server.flavour === 'mariadb' || server.versionNumbers[0] < 8 || !removedModes.has(mode))
  try {
    await connection.run(
      `SET SESSION ${context.characterSetClient === '' ? '' : `character_set_client = ${context.characterSetClient}, `}` +
        `${context.collationConnection === '' ? '' : `collation_connection = ${context.collationConnection}, `}time_zone = ${quoteText(context.timeZone ?? '+00:00')}, sql_mode = ${quoteText(modes.join(','))}`,
      during,
    )
    for (const [index, sql] of program.statements.entries()) {
      const bytes = encoded[index]
      await (bytes === undefined ? connection.run(sql, during) : runBytes(connection, bytes, during))
    }
  } finally {
    await connection.run('SET NAMES utf8mb4', during)
    await connection.run(`SET SESSION time_zone = '+00:00', sql_mode = '${restoreSqlMode}'`, during)
  }
}

/** `undefined` where the text is the same bytes in UTF-8. */
async function inClientCharacterSet(connection: MysqlConnection, sql: string, characterSet: string): Promise<Buffer | undefined> {
  if (characterSet === '' || /^utf8/.test(characterSet) || /^[ -~\s]*$/.test(sql)) return undefined
  const [row] = await connection.rows(`SELECT HEX(CONVERT(${quoteText(sql)} USING ${characterSet})) AS bytes`, 'converting a statement')
  return Buffer.from(row?.text('bytes') ?? '', 'hex')
}

async function runBytes(connection: MysqlConnection, bytes: Buffer, during: string): Promise<void> {
  const { config } = (connection.driver as unknown as { readonly connection: { readonly config: { charsetNumber: number } } }).connection
  const before = config.charsetNumber
  config.charsetNumber = binaryCollation
  try {
    await connection.run(bytes.toString('latin1'), during)
  } finally {
    config.charsetNumber = before
  }
}
