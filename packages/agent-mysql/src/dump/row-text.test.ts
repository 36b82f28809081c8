import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowText, rowTextLength } from './row-text.ts'

type Row = readonly (Uint8Array | null)[]

/** As the manual says it, slowly. */
function reference(rows: readonly Row[]): Buffer {
  const escapes = new Map([
    [0x00, '\\0'],
    [0x09, '\\t'],
    [0x0a, '\\n'],
    [0x5c, '\\\\'],
  ])
  const fields = (row: Row) =>
    row.map((value) => (value === null ? '\\N' : [...value].map((byte) => escapes.get(byte) ?? String.fromCharCode(byte)).join('')))
  return Buffer.from(rows.map((row) => `${fields(row).join('\t')}\n`).join(''), 'latin1')
}

function lengthPrefix(length: number, wide: number): Buffer {
  if (wide === 0 && length < 0xfb) return Buffer.from([length])
  if (wide <= 1 && length < 0x10000) return Buffer.from([0xfc, length & 0xff, length >> 8])
  if (wide <= 2 && length < 0x1000000) return Buffer.from([0xfd, length & 0xff, (length >> 8) & 0xff, length >> 16])
  const prefix = Buffer.alloc(9)
  prefix[0] = 0xfe
  prefix.writeBigUInt64LE(BigInt(length), 1)
  return prefix
}

function packet(row: Row, wide = 0): Buffer {
  return Buffer.concat(row.flatMap((value) => (value === null ? [Buffer.from([0xfb])] : [lengthPrefix(value.length, wide), value])))
}

function convert(rows: readonly Row[], columns: number, blockBytes: number, wide = 0): { text: Buffer; blocks: number[]; counted: number } {
  const blocks: Uint8Array[] = []
  const converter = new RowText(columns, blockBytes, (block) => {
    blocks.push(Uint8Array.from(block))
    // A block that is given back may be filled with anything.
    converter.recycle(block.fill(0x3f))
  })
  for (const row of rows) {
    // Bytes around the row belong to other packets and must not be touched.
    const framed = Buffer.concat([Buffer.from([1, 2, 3, 0xff]), packet(row, wide), Buffer.from([0xff, 9])])
    converter.add(framed, 4, framed.length - 2)
    framed.fill(0x2a)
  }
  converter.flush()
  return { text: Buffer.concat(blocks), blocks: blocks.map((block) => block.length), counted: converter.rows }
}

const special = fc.constantFrom(0x00, 0x09, 0x0a, 0x5c, 0x4e, 0xfb, 0xfe, 0xff)
const anyBytes = fc.array(fc.oneof(special, fc.integer({ min: 0, max: 255 })), { maxLength: 600 })
/** Long fields in which nothing, or only something far behind, needs an escape. */
const mostlyClean = fc
  .tuple(fc.integer({ min: 60, max: 1500 }), fc.array(special, { maxLength: 3 }), fc.integer({ min: 0, max: 100 }))
  .map(([before, specials, after]) => [...new Array<number>(before).fill(0x61), ...specials, ...new Array<number>(after).fill(0x62)])
const bytes = fc.oneof(anyBytes, mostlyClean).map((list) => Uint8Array.from(list))

test('rows become the text that the manual describes, whatever the bytes and the block size', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }).chain((columns) =>
        fc.record({
          columns: fc.constant(columns),
          rows: fc.array(fc.array(fc.option(bytes), { minLength: columns, maxLength: columns }), { maxLength: 12 }),
          blockBytes: fc.integer({ min: 16, max: 900 }),
          wide: fc.integer({ min: 0, max: 3 }),
        }),
      ),
      ({ columns, rows, blockBytes, wide }) => {
        const { text, blocks, counted } = convert(rows, columns, blockBytes, wide)
        expect(text.equals(reference(rows))).toBe(true)
        expect(counted).toBe(rows.length)
        expect(Math.max(0, ...blocks)).toBeLessThanOrEqual(blockBytes)
        const measured = rows.map((row) => rowTextLength(columns, packet(row, wide), 0, packet(row, wide).length))
        expect(measured.reduce((sum, length) => sum + length, 0)).toBe(text.length)
      },
    ),
    { numRuns: 300 },
  )
})

test.each([250, 251, 65_535, 65_536, 16_777_216])('a field of %i bytes keeps its length', (length) => {
  const value = Buffer.alloc(length, 0x61)
  value[length - 1] = 0x0a
  const { text } = convert([[value, null]], 2, 262_144)
  expect(text.length).toBe(length + 1 + 4)
  expect(text.subarray(-5).toString()).toBe('\\n\t\\N\n'.slice(-5))
})

const malformed: readonly [string, number, number[]][] = [
  ['ends before a column', 2, [1, 0x61]],
  ['has a length beyond its end', 1, [5, 0x61]],
  ['has a length prefix that is cut', 1, [0xfc, 1]],
  ['holds more than its columns', 1, [1, 0x61, 1, 0x62]],
  ['begins a field with an error mark', 1, [0xff]],
  ['is empty', 1, []],
]
test.each(malformed)('a row that %s is CORRUPTED', (_, columns, content) => {
  const converter = new RowText(columns, 64, () => undefined)
  const buffer = Buffer.from(content)
  expect(() => converter.add(buffer, 0, buffer.length)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
})
