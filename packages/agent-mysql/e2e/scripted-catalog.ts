import type { PlayedAnswer } from './played-mysql.ts'
import { type ScriptedVersion, since } from './scripted-version.ts'

type Answer = (version: ScriptedVersion) => PlayedAnswer

const createTable =
  'CREATE TABLE `line` (\n  `id` int NOT NULL,\n  `note` text,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4'

const isMariadb = ({ flavour }: ScriptedVersion): boolean => flavour === 'mariadb'
/** V: MariaDB 10.6 brought it. */
const hasSys = (version: ScriptedVersion): boolean => !isMariadb(version) || since(version, 10, 6, 0)

/** What is on every scripted server: the table shop.line with a row, and the account app. Columns as the manuals list them; MySQL 8 names them in capitals. */
const answers: readonly (readonly [RegExp, Answer])[] = [
  [
    /^SELECT schema_name FROM information_schema\.schemata/,
    (version) =>
      ['information_schema', 'mysql', 'performance_schema', 'shop', ...(hasSys(version) ? ['sys'] : [])].map((name) =>
        named(version, { schema_name: name }),
      ),
  ],
  [
    /^SELECT table_name FROM information_schema\.tables WHERE table_schema = 'sys'/,
    (version) => (hasSys(version) ? ['sys_config', 'version', 'processlist'].map((name) => named(version, { table_name: name })) : []),
  ],
  [/^SELECT engine FROM information_schema\.engines WHERE transactions = 'YES'/, (version) => [named(version, { engine: 'InnoDB' })]],
  [/^SELECT engine FROM information_schema\.engines WHERE engine IN \('ndbinfo'/, () => []],
  [/^SELECT db, COUNT\(\*\) AS count FROM mysql\.(proc|event) GROUP BY db$/, () => []],
  [/^SELECT \w+ AS name FROM mysql\.(servers|func|plugin) ORDER BY 1$/, () => []],
  [
    /^SELECT default_character_set_name, default_collation_name FROM information_schema\.schemata WHERE schema_name = 'shop'/,
    (version) => [named(version, { default_character_set_name: 'utf8mb4', default_collation_name: 'utf8mb4_general_ci' })],
  ],
  [
    /^SHOW CREATE DATABASE `shop`$/,
    () => [{ Database: 'shop', 'Create Database': 'CREATE DATABASE `shop` /*!40100 DEFAULT CHARACTER SET utf8mb4 */' }],
  ],
  [
    /^SELECT table_name, table_type, engine, avg_row_length, data_length FROM information_schema\.tables WHERE table_schema = 'shop'/,
    (version) => [
      named(version, { table_name: 'line', table_type: 'BASE TABLE', engine: 'InnoDB', avg_row_length: '16384', data_length: '16384' }),
    ],
  ],
  [
    /^SELECT table_name, column_name, data_type, .* FROM information_schema\.columns WHERE table_schema = 'shop'/,
    (version) => [
      named(version, { ...column('id', 'int', 'NO'), character_set_name: null, collation_name: null }),
      named(version, { ...column('note', 'text', 'YES'), character_set_name: 'utf8mb4', collation_name: 'utf8mb4_general_ci' }),
    ],
  ],
  [
    /^SELECT table_name, index_name, non_unique, .* FROM information_schema\.statistics WHERE table_schema = 'shop'/,
    (version) => [
      named(version, {
        table_name: 'line',
        index_name: 'PRIMARY',
        non_unique: '0',
        seq_in_index: '1',
        column_name: 'id',
        nullable: '',
        sub_part: null,
        index_type: 'BTREE',
      }),
    ],
  ],
  [/^SELECT (routine|trigger|event)_name, .* FROM information_schema\.(routines|triggers|events) WHERE /, () => []],
  [/^SELECT DISTINCT event_object_schema AS s, event_object_table AS t FROM information_schema\.triggers ORDER BY 1, 2$/, () => []],
  [/^SHOW FULL TABLES FROM `shop`$/, () => [{ Tables_in_shop: 'line', Table_type: 'BASE TABLE' }]],
  [/^SHOW CREATE TABLE `shop`\.`line`$/, () => [{ Table: 'line', 'Create Table': createTable }]],
  [/FROM information_schema\.innodb_(sys_)?tables WHERE /, () => [{ plain_name: 'line', inner_name: 'line', table_id: '1071' }]],
  [/FROM information_schema\.processlist WHERE command IN/, () => []],
  [/^SELECT COUNT\(\*\) AS row_count/, () => [{ row_count: '1', checksum: '1' }]],
  [/^SELECT \/\*!40001 SQL_NO_CACHE \*\/ `id`, `note` FROM `shop`\.`line`/, () => [{ id: '1', note: 'first' }]],
  // V: MariaDB has the column; MySQL has none of this name, and says 1054.
  [/^SELECT user, host, is_role FROM mysql\.user/, (version) => (isMariadb(version) ? [{ User: 'app', Host: '%', is_role: 'N' }] : 1054)],
  [/^SELECT user, host, 'N' AS is_role FROM mysql\.user/, () => [{ User: 'app', Host: '%', is_role: 'N' }]],
  [
    /^SHOW CREATE USER 'app'@'%'$/,
    (version) => [{ 'CREATE USER for app@%': `CREATE USER 'app'@'%' IDENTIFIED WITH '${defaultPlugin(version)}' AS '*00'` }],
  ],
  [/^SHOW GRANTS FOR 'app'@'%'$/, () => [{ 'Grants for app@%': "GRANT USAGE ON *.* TO 'app'@'%'" }]],
]

/** What is on the server, by what asks for it; `undefined` for what nobody has written down. */
export function catalogAnswer(version: ScriptedVersion, sql: string): PlayedAnswer | undefined {
  return answers.find(([statement]) => statement.test(sql))?.[1](version)
}

/** V: MySQL 8.0 made caching_sha2_password the default, 8.4 switched the old one off, 9.0 removed it. */
function defaultPlugin(version: ScriptedVersion): string {
  return isMariadb(version) || !since(version, 8, 0, 0) ? 'mysql_native_password' : 'caching_sha2_password'
}

function column(name: string, type: string, nullable: string): Readonly<Record<string, string>> {
  return {
    table_name: 'line',
    column_name: name,
    data_type: type,
    column_type: type,
    is_nullable: nullable,
    extra: '',
    generation_expression: '',
  }
}

function named(version: ScriptedVersion, row: Readonly<Record<string, string | null>>): Readonly<Record<string, string | null>> {
  if (isMariadb(version) || !since(version, 8, 0, 0)) return row
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toUpperCase(), value]))
}
