import { describe, expect, it } from 'vitest'
import { readDumpChunks, readDumpObjects } from './dump-lines.ts'

async function* parts(text: string | Buffer, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  const buffer = Buffer.alloc(size)
  // The same buffer again and again, as a careless stream would give it.
  for (let begin = 0; begin < bytes.length; begin += size) yield buffer.subarray(0, bytes.copy(buffer, 0, begin, begin + size))
}

async function all<Line>(lines: AsyncIterable<Line>): Promise<Line[]> {
  const found: Line[] = []
  for await (const line of lines) found.push(line)
  return found
}

const chunk = { type: 'chunk', table: 'é漢', file: 'a.dat.zst', rows: 1, bytes: 2, sha256: 'a'.repeat(64) }
const total = { type: 'table-total', table: 't', rows: 5, checksum: '1' }

describe('lines of a dump', () => {
  it('are read whatever the pieces in which they come', async () => {
    const text = `${JSON.stringify(chunk)}\n${JSON.stringify(total)}\n`
    for (const size of [1, 2, 3, 1000]) expect(await all(readDumpChunks(parts(text, size), 'x'))).toEqual([chunk, total])
  })

  it.each([
    ['cut in a line', `${JSON.stringify(chunk)}\n{"type":"table-total"`],
    ['no JSON', 'x\n'],
    ['an unknown type', '{"type":"other"}\n'],
    ['an unknown field', `${JSON.stringify({ ...total, more: 1 })}\n`],
    ['a negative count', `${JSON.stringify({ ...total, rows: -1 })}\n`],
    ['a hash that is none', `${JSON.stringify({ ...chunk, sha256: 'x' })}\n`],
  ])('are refused with %s', async (_, text) => {
    await expect(all(readDumpChunks(parts(text), 'shop/chunks.jsonl'))).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('shop/chunks.jsonl'),
    })
  })

  it.each([
    ['a sequence value that is a statement', { type: 'sequence', name: 's', create: '', next: '1); DROP TABLE t; --' }],
    ['a collation that is a statement', { type: 'schema', name: 's', characterSet: 'utf8', collation: 'x; DROP', create: '' }],
    [
      'a character set that is a statement',
      {
        type: 'view',
        name: 'v',
        create: '',
        columns: [],
        context: { sqlMode: '', characterSetClient: 'utf8; X', collationConnection: '', databaseCollation: '' },
      },
    ],
  ])('are refused with %s', async (_, object) => {
    await expect(all(readDumpObjects(parts(`${JSON.stringify(object)}\n`), 'x'))).rejects.toMatchObject({ code: 'CORRUPTED' })
  })
})
