import { BackupError } from '@backup-planet/core'
import * as z from 'zod'
import type { DumpChunkLine, DumpObject } from '../dump-layout.ts'

const name = z.string().min(1).max(1024)
const context = z.strictObject({
  sqlMode: z.string().regex(/^[A-Z0-9_,]*$/),
  characterSetClient: z.string().regex(/^\w*$/),
  collationConnection: z.string().regex(/^\w*$/),
  databaseCollation: z.string().regex(/^\w*$/),
  timeZone: z.string().max(64).optional(),
})

const column = z.strictObject({
  name,
  dataType: z.string(),
  columnType: z.string(),
  nullable: z.boolean(),
  characterSet: z.string().optional(),
  collation: z.string().optional(),
  generated: z.enum(['virtual', 'stored']).optional(),
  invisible: z.literal(true).optional(),
  load: z.enum(['plain', 'bit', 'json', 'geometry', 'float']),
})

const object = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('schema'),
    name,
    characterSet: z.string().regex(/^\w+$/),
    collation: z.string().regex(/^\w+$/),
    create: z.string(),
  }),
  z.strictObject({ type: z.literal('sequence'), name, create: z.string(), next: z.string().regex(/^-?\d{1,20}$/) }),
  z.strictObject({
    type: z.literal('table'),
    name,
    engine: z.string(),
    transactional: z.boolean(),
    create: z.string(),
    columns: z.array(column),
    dataColumns: z.array(name),
    history: z.boolean(),
    dataLeftOut: z.string().optional(),
    consistency: z.enum(['snapshot', 'locked', 'none']),
  }),
  z.strictObject({
    type: z.literal('view'),
    name,
    create: z.string(),
    columns: z.array(name),
    context,
    broken: z.literal(true).optional(),
  }),
  z.strictObject({
    type: z.literal('routine'),
    kind: z.enum(['function', 'procedure', 'package', 'package body']),
    name,
    create: z.string(),
    context,
  }),
  z.strictObject({ type: z.literal('trigger'), name, table: name, create: z.string(), context }),
  z.strictObject({ type: z.literal('event'), name, create: z.string(), status: z.string(), context }),
  z.strictObject({
    type: z.literal('account'),
    kind: z.enum(['user', 'role']),
    user: z.string().max(128),
    host: z.string().max(255),
    create: z.string(),
    alter: z.string().optional(),
    grants: z.array(z.string()),
  }),
])

const chunkLine = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('chunk'),
    table: name,
    file: z.string().min(1),
    rows: z.int().min(0),
    bytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  z.strictObject({ type: z.literal('table-total'), table: name, rows: z.int().min(0), checksum: z.string().optional() }),
])

/** Longest line that is accepted; a statement of the server cannot be longer than its largest packet. */
const longestLine = 256 * 1024 * 1024

/** Lines of `objects.jsonl`. Throws `CORRUPTED` for anything that the layout does not know. */
export async function* readDumpObjects(content: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<DumpObject> {
  for await (const line of jsonLines(content, where)) yield parseLine(object, line, where) as DumpObject
}

/** Lines of `chunks.jsonl`. Throws `CORRUPTED` for anything that the layout does not know. */
export async function* readDumpChunks(content: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<DumpChunkLine> {
  for await (const line of jsonLines(content, where)) yield parseLine(chunkLine, line, where) as DumpChunkLine
}

function parseLine<Schema extends z.ZodType>(schema: Schema, line: string, where: string): z.output<Schema> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw corrupted(`${where} has a line that is no JSON: ${line.slice(0, 40)}`, error)
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw corrupted(`${where} has a line that the layout does not know: ${issue?.path.join('.')} ${issue?.message}`, undefined)
}

async function* jsonLines(content: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<string> {
  let pending: Uint8Array[] = []
  let length = 0
  for await (const part of content) {
    let begin = 0
    for (let end = part.indexOf(0x0a, begin); end >= 0; end = part.indexOf(0x0a, begin)) {
      pending.push(part.subarray(begin, end))
      const line = Buffer.concat(pending).toString('utf8')
      if (line !== '') yield line
      pending = []
      length = 0
      begin = end + 1
    }
    if (begin === part.length) continue
    // A copy: whoever yields may use its buffer again.
    pending.push(Uint8Array.prototype.slice.call(part, begin))
    length += part.length - begin
    if (length > longestLine) throw corrupted(`${where} has a line longer than ${longestLine} bytes`, undefined)
  }
  if (length > 0) throw corrupted(`${where} ends in the middle of a line`, undefined)
}

function corrupted(message: string, cause: unknown): BackupError {
  return new BackupError(message, {
    code: 'CORRUPTED',
    hint: 'The backup was damaged, or written by another version; restore another one.',
    ...(cause === undefined ? {} : { cause }),
  })
}
