import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DumpTable } from '../dump-layout.ts'
import { insertStatement, loadStatement, splitFields } from './load-statement.ts'

const column = { dataType: 'int', columnType: 'int', nullable: true } as const
const table: DumpTable = {
  type: 'table',
  name: 't`',
  engine: 'InnoDB',
  transactional: true,
  create: 'CREATE TABLE `t``` (`a` int AUTO_INCREMENT, PRIMARY KEY (`a`))',
  columns: [
    { ...column, name: 'a', load: 'plain' },
    { ...column, name: 'b', load: 'bit' },
    { ...column, name: 'j', load: 'json' },
    { ...column, name: 'g', load: 'geometry' },
  ],
  dataColumns: ['g', 'a', 'b', 'j', 'row_start'],
  history: true,
  consistency: 'snapshot',
}

describe('loadStatement', () => {
  it('names the columns in the order of the file and quotes them', () => {
    expect(loadStatement('s', table)).toBe(
      "LOAD DATA LOCAL INFILE 'backup-planet-rows' INTO TABLE `s`.`t``` CHARACTER SET binary " +
        "FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n' " +
        '(@field0, @field1, @field2, @field3, `row_start`) SET `g` = @field0, `a` = @field1, `b` = CAST(@field2 AS UNSIGNED), `j` = CONVERT(@field3 USING utf8mb4)',
    )
  })
})

it('leaves AUTO_INCREMENT to the file where nothing else is assigned', () => {
  const plain = { ...table, dataColumns: ['a'] }
  expect(loadStatement('s', plain).endsWith("TERMINATED BY '\\n' (`a`)")).toBe(true)
})

describe('insertStatement', () => {
  it('writes bytes so that no character set touches them', () => {
    const row = [Buffer.from([0xff]), Buffer.from('-12'), Buffer.from('7'), Buffer.from('{}'), undefined]
    expect(insertStatement('s', table, [row, row])).toBe(
      "INSERT INTO `s`.`t``` (`g`, `a`, `b`, `j`, `row_start`) VALUES (CONCAT(x'ff'),CONCAT(x'2d3132'),7,CONVERT(x'7b7d' USING utf8mb4),NULL)," +
        "(CONCAT(x'ff'),CONCAT(x'2d3132'),7,CONVERT(x'7b7d' USING utf8mb4),NULL)",
    )
  })
})

describe('splitFields', () => {
  it('reads back what LOAD DATA text holds', () => {
    const field = fc.option(fc.uint8Array({ maxLength: 12 }), { nil: undefined })
    const escaped = (bytes: Uint8Array) =>
      Buffer.from(
        Array.from(bytes).flatMap((byte) => ({ 0: [0x5c, 0x30], 9: [0x5c, 0x74], 10: [0x5c, 0x6e], 92: [0x5c, 0x5c] })[byte] ?? [byte]),
      )
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 5 }), (fields) => {
        const line = Buffer.concat(
          fields.flatMap((bytes, index) => [
            ...(index > 0 ? [Buffer.from('\t')] : []),
            bytes === undefined ? Buffer.from('\\N') : escaped(bytes),
          ]),
        )
        expect(splitFields(line).map((bytes) => bytes && Array.from(bytes))).toEqual(fields.map((bytes) => bytes && Array.from(bytes)))
      }),
    )
  })
})
