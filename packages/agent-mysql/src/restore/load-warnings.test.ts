import { describe, expect, it } from 'vitest'
import type { DumpColumn, DumpTable } from '../dump-layout.ts'
import { serverRow } from '../mysql-rows.ts'
import { judgeWarnings, listableRows } from './load-warnings.ts'

const column = (name: string, more: Partial<DumpColumn> = {}): DumpColumn => ({
  name,
  dataType: 'decimal',
  columnType: 'decimal(5,2)',
  nullable: true,
  load: 'plain',
  ...more,
})

const tableOf = (...columns: readonly DumpColumn[]): DumpTable => ({
  type: 'table',
  name: 't',
  engine: 'InnoDB',
  transactional: true,
  create: '',
  columns,
  dataColumns: columns.filter((one) => one.generated === undefined).map((one) => one.name),
  history: false,
  consistency: 'snapshot',
})

const rowsOf = (warnings: readonly (readonly [number, string])[]) =>
  warnings.map(([code, text]) =>
    serverRow(
      ['level', 'code', 'message'],
      ['Warning', code, text].map((value) => Buffer.from(String(value))),
      'a test',
    ),
  )

const judge = (table: DumpTable, warnings: readonly (readonly [number, string])[], rows: string[][] = [], count = warnings.length) =>
  judgeWarnings({ listed: rowsOf(warnings), count, schema: 's', table, rows: rows.map((row) => row.map((text) => Buffer.from(text))) })

const generated = tableOf(column('c'), column('d', { generated: 'stored' }))

describe('warnings of a generated column', () => {
  it.each([
    [1265, "Data truncated for column 'd' at row 1"],
    [1264, "Out of range value for column 'd' at row 7"],
    [1366, "Incorrect integer value: 'abc' for column `s`.`t`.`d` at row 12345678"],
    [1292, "Incorrect inet6 value: '' for column `s`.`t`.`d` at row 2"],
    [1292, "Truncated incorrect DOUBLE value: 'abc'"],
  ])('are the own computation of the server: %i %s', async (code, text) => {
    expect(await judge(generated, [[code, text]])).toBe('expected')
  })

  it.each([
    ['another column', 1265, "Data truncated for column 'c' at row 1"],
    [
      'another column, whose value names the generated one',
      1366,
      "Incorrect integer value: 'for column `s`.`t`.`d` at row 1' for column `s`.`t`.`c` at row 1",
    ],
    ['a column of another table', 1366, "Incorrect integer value: 'x' for column `s`.`other`.`d` at row 1"],
    ['no column at all', 1062, "Duplicate entry '1' for key 'PRIMARY'"],
    ['a row that is too short', 1261, "Row 3 doesn't contain data for all columns"],
    ['a value without a column', 1292, "Truncated incorrect datetime value: '2024-13-01'"],
    ['an unknown message', 9999, "Something for column 'd' at row 1"],
    ['a longer text', 1265, "Data truncated for column 'd' at row 1, and more"],
  ])('do not let pass a warning of %s', async (_, code, text) => {
    expect(await judge(generated, [[code, text]])).toBe('refused')
    expect(
      await judge(generated, [
        [1265, "Data truncated for column 'd' at row 1"],
        [code, text],
      ]),
    ).toBe('refused')
  })

  it('do not let pass what could be of either of two columns', async () => {
    const twins = tableOf(column('x` for column `s`.`t`.`d'), column('d', { generated: 'stored' }))
    expect(await judge(twins, [[1366, "Incorrect integer value: '' for column `s`.`t`.`x` for column `s`.`t`.`d` at row 1"]])).toBe(
      'refused',
    )
  })

  it('do not let pass a BIT that our own expression has changed', async () => {
    const bits = tableOf(column('b', { dataType: 'bit', load: 'bit' }), column('d', { generated: 'virtual' }))
    expect(await judge(bits, [[1292, "Truncated incorrect INTEGER value: 'x'"]])).toBe('refused')
  })

  it('are unknown when the server does not list all', async () => {
    expect(await judge(generated, [[1265, "Data truncated for column 'd' at row 1"]], [], 2)).toBe('unlisted')
    expect(listableRows(generated)).toBeLessThan(65_536)
  })

  it('are not expected of a table without such a column', async () => {
    expect(await judge(tableOf(column('c')), [[1265, "Data truncated for column 'd' at row 1"]])).toBe('refused')
    expect(await judge(tableOf(column('c')), [], [], 1)).toBe('refused')
  })
})

describe('warnings of an ENUM', () => {
  const table = tableOf(column('e', { dataType: 'enum', columnType: "enum('a')" }), column('d', { generated: 'stored' }))

  it('are expected for exactly the rows that hold its unknown value, beside those of generated columns', async () => {
    const warnings = [
      [1265, "Data truncated for column 'e' at row 1"],
      [1265, "Data truncated for column 'd' at row 1"],
    ] as const
    expect(await judge(table, warnings, [[''], ['a']])).toBe('expected')
    expect(await judge(table, warnings, [['a'], ['a']])).toBe('refused')
    expect(await judge(table, warnings, [[''], ['']])).toBe('refused')
  })
})

it('counts numbers 0 where an ENUM is loaded by number, and no empty member', async () => {
  const table = tableOf(column('e', { dataType: 'enum', columnType: "enum('a','')", load: 'bit' }))
  const warning = [1265, "Data truncated for column 'e' at row 2"] as const
  expect(await judge(table, [warning], [['1'], ['0'], ['2']])).toBe('expected')
  expect(await judge(table, [warning], [['1'], ['2'], ['']])).toBe('refused')
  expect(await judge(table, [warning], [['0'], ['0']])).toBe('refused')
})
