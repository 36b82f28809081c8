import { encodeSegment } from '@backup-planet/core'
import type { DumpObject, DumpSequence, DumpTable, DumpView, ProgramContext } from '../dump-layout.ts'
import { loadDataClauses } from '../load-data-clauses.ts'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import type { BinlogPosition } from '../mysql-server.ts'
import type { SchemaInventory } from './schema-inventory.ts'

/** A small file of an item, complete in memory. */
export interface TextFile {
  readonly name: string
  readonly text: string
}

/** An identifier in a file name; dots are encoded as well, since they separate. */
export function nameSegment(name: string): string {
  return encodeSegment(name).replaceAll('.', '%2E')
}

export function chunkFileName(schema: string, table: string, number: number, compressionLevel: number): string {
  const ending = compressionLevel === 0 ? 'dat' : 'dat.zst'
  return `${nameSegment(schema)}.${nameSegment(table)}.${String(number).padStart(5, '0')}.${ending}`
}

export function metadataText(consistentAt: string, serverVersion: string, position: BinlogPosition | undefined): string {
  const time = consistentAt.slice(0, 19).replace('T', ' ')
  const log =
    position === undefined ? '' : `SHOW MASTER STATUS:\n\tLog: ${position.file}\n\tPos: ${position.offset}\n\tGTID:${position.gtid}\n\n`
  return `# ${serverVersion}\nStarted dump at: ${time}\n${log}`
}

export function jsonLines(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}

/** Everything of a schema but its rows, in the order of the layout. */
export function definitionFiles(
  inventory: SchemaInventory,
  sequences: readonly DumpSequence[],
  tables: readonly DumpTable[],
  metadata: string,
): readonly TextFile[] {
  const { schema, views, routines, triggers, events } = inventory
  const prefix = nameSegment(schema.name)
  const file = (object: string, suffix: string, text: string): TextFile => ({
    name: `${prefix}.${nameSegment(object)}-schema${suffix}.sql`,
    text,
  })
  const objects: readonly DumpObject[] = [schema, ...sequences, ...tables, ...views, ...routines, ...triggers, ...events]
  const tablesWithTriggers = [...new Set(triggers.map((trigger) => trigger.table))]
  const programs = [...routines, ...events]
  return [
    { name: 'metadata', text: metadata },
    { name: 'objects.jsonl', text: jsonLines(objects) },
    {
      name: `${prefix}-schema-create.sql`,
      text: `${schema.create.replace(/^CREATE DATABASE (?!IF|\/)/, 'CREATE DATABASE IF NOT EXISTS ')};\n`,
    },
    ...sequences.map((sequence) =>
      file(
        sequence.name,
        '-sequence',
        `${head}${sequence.create};\nALTER SEQUENCE ${quoteIdentifier(sequence.name)} RESTART ${sequence.next};\n`,
      ),
    ),
    ...tables.map((table) => file(table.name, '', `${head}${table.create};\n`)),
    ...views.map((view) => file(view.name, '', `${head}${placeholder(view)};\n`)),
    ...views.map((view) => {
      const name = quoteIdentifier(view.name)
      return file(
        view.name,
        '-view',
        `${head}DROP TABLE IF EXISTS ${name};\nDROP VIEW IF EXISTS ${name};\n${inContext(view.context, `${view.create};\n`)}`,
      )
    }),
    ...tablesWithTriggers.map((table) =>
      file(
        table,
        '-triggers',
        head +
          triggers
            .filter((trigger) => trigger.table === table)
            .map((trigger) => program(trigger))
            .join(''),
      ),
    ),
    ...(programs.length === 0 ? [] : [{ name: `${prefix}-schema-post.sql`, text: head + programs.map(program).join('') }]),
  ]
}

const head = `/*!40101 SET NAMES utf8mb4 */;\n/*!40014 SET FOREIGN_KEY_CHECKS=0 */;\nSET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00';\n`

/** A table that stands in for a view until everything the view needs is there. */
function placeholder(view: DumpView): string {
  const columns = view.columns.length === 0 ? ['placeholder'] : view.columns
  return `CREATE TABLE IF NOT EXISTS ${quoteIdentifier(view.name)} (${columns.map((column) => `${quoteIdentifier(column)} int`).join(', ')})`
}

function program(object: { readonly create: string; readonly context: ProgramContext }): string {
  let delimiter = ';;'
  // Not of more semicolons: a body that ends in one would be cut there.
  for (let number = 0; object.create.includes(delimiter); number++) delimiter = `$$end${number}$$`
  return inContext(object.context, `DELIMITER ${delimiter}\n${object.create} ${delimiter}\nDELIMITER ;\n`)
}

/**
 * A statement in the session its object was created in, as mysqldump writes it ("SHOW CREATE PROCEDURE", context columns): the server keeps
 * SQL mode, client character set and connection collation with the object, and an event runs in its time zone.
 *
 * This file is UTF-8, while the server reads a statement in the client's character set: letters beyond ASCII of an object of another
 * character set come right only with UTF-8 as its client character set, which then differs from the original and is noted.
 */
function inContext(context: ProgramContext, text: string): string {
  const { characterSetClient: client, collationConnection, sqlMode, timeZone } = context
  const readable = client === '' || client.startsWith('utf8') || /^[ -~\s]*$/.test(text)
  const characterSet = readable ? client : 'utf8mb4'
  const variables = [
    `sql_mode=${quoteText(sqlMode)}`,
    ...(timeZone === undefined ? [] : [`time_zone=${quoteText(timeZone)}`]),
    ...(characterSet === '' ? [] : [`character_set_client=${quoteText(characterSet)}`]),
    ...(collationConnection === '' ? [] : [`collation_connection=${quoteText(collationConnection)}`]),
  ]
  const note = readable ? '' : `-- created with character_set_client ${client}\n`
  return `${note}SET SESSION ${variables.join(', ')};\n${text}SET NAMES utf8mb4;\nSET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00';\n`
}

/** The one statement that loads a data file by hand, beside it and under its name. */
export function loadFile(schema: string, table: DumpTable, chunkFile: string): TextFile {
  const data = chunkFile.replace(/\.zst$/, '')
  const history = table.history ? 'SET SESSION system_versioning_insert_history=1;\n' : ''
  // Without these checks MariaDB locks the whole table for a bulk insert (MDEV-515), and two loaders of one table meet in a deadlock.
  const checks = 'SET SESSION unique_checks=1;\n'
  return {
    name: data.replace(/\.dat$/, '.sql'),
    text: `${head}${checks}${history}-- rows of ${schema.replaceAll('\n', ' ')}\nLOAD DATA LOCAL INFILE ${quoteText(data)} INTO TABLE ${quoteIdentifier(table.name)} ${loadDataClauses(table)};\n`,
  }
}
