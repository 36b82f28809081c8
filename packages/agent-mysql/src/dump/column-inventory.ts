import type { DumpColumn } from '../dump-layout.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import type { KeyColumn } from './key-ranges.ts'

/** Names of the two period columns of a system-versioned table; they are hidden unless the table names them. */
export function systemPeriod(type: string, create: string): { readonly start: string; readonly end: string } | undefined {
  if (type !== 'SYSTEM VERSIONED') return undefined
  const match = /PERIOD FOR SYSTEM_TIME \(`((?:[^`]|``)+)`, `((?:[^`]|``)+)`\)/.exec(create)
  if (match === null) return { start: 'row_start', end: 'row_end' }
  return { start: (match[1] ?? '').replaceAll('``', '`'), end: (match[2] ?? '').replaceAll('``', '`') }
}

const geometryTypes: ReadonlySet<string> = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
])

export function describeColumn(row: ServerRow, server: ServerFacts): DumpColumn {
  const extra = row.nullable('extra') ?? ''
  const dataType = row.text('data_type').toLowerCase()
  const characterSet = row.nullable('character_set_name')
  const collation = row.nullable('collation_name')
  // MySQL says DEFAULT_GENERATED of a column whose default is an expression; that one is stored like any other.
  const generated = /\bVIRTUAL\b/i.test(extra) ? 'virtual' : /\b(STORED|PERSISTENT)\b/i.test(extra) ? 'stored' : undefined
  return {
    name: row.text('column_name'),
    dataType,
    columnType: row.text('column_type'),
    nullable: row.text('is_nullable') === 'YES',
    ...(characterSet === undefined ? {} : { characterSet }),
    ...(collation === undefined ? {} : { collation }),
    ...(generated === undefined ? {} : { generated }),
    ...(/\bINVISIBLE\b/i.test(extra) ? { invisible: true as const } : {}),
    load: hasEmptyMember(dataType, row.text('column_type')) ? 'bit' : loadOf(dataType, server),
  }
}

/**
 * An ENUM whose empty text is a member and not only what an invalid value reads as: numbers tell the two apart. (Elsewhere the text is better, since a
 * restore may find the members in another order.)
 */
function hasEmptyMember(dataType: string, columnType: string): boolean {
  return dataType === 'enum' && /[(,]''[,)]/.test(columnType)
}

function loadOf(dataType: string, server: ServerFacts): DumpColumn['load'] {
  if (dataType === 'bit' || dataType === 'float') return dataType
  if (geometryTypes.has(dataType)) return 'geometry'
  // From binary text these would take the bytes as their value, and become NULL.
  if (dataType === 'uuid' || dataType === 'inet6' || dataType === 'inet4') return 'json'
  // MariaDB's JSON is LONGTEXT with a check.
  return dataType === 'json' && server.flavour !== 'mariadb' ? 'json' : 'plain'
}

export function keyColumn(row: ServerRow, columns: readonly DumpColumn[]): KeyColumn[] {
  const name = row.nullable('column_name')
  const column = columns.find((candidate) => candidate.name === name)
  if (column === undefined || row.text('index_type') !== 'BTREE') return []
  return [
    {
      index: row.text('index_name'),
      unique: row.number('non_unique') === 0,
      sequence: row.number('seq_in_index'),
      column: column.name,
      nullable: row.nullable('nullable') === 'YES',
      prefix: row.nullable('sub_part') !== undefined,
      dataType: column.dataType,
      ...(column.characterSet === undefined ? {} : { characterSet: column.characterSet }),
    },
  ]
}
