import { expect, test } from 'vitest'
import type { DumpColumn } from './dump-layout.ts'
import { checksumStatement } from './mysql-checksum.ts'

const column = (name: string, load: DumpColumn['load']): DumpColumn => ({ name, dataType: 'x', columnType: 'x', nullable: true, load })

test('a checksum reads each kind of column in a form that is the same on every server, and marks NULL', () => {
  const columns = [column('p', 'plain'), column('b', 'bit'), column('f', 'float'), column('g', 'geometry'), column('j', 'json')]
  const dataColumns = columns.map(({ name }) => name)
  expect(checksumStatement('s`x', { name: 't', history: false, columns, dataColumns })).toBe(
    "SELECT COUNT(*) AS row_count, COALESCE(BIT_XOR(CRC32(CONCAT_WS('#', IFNULL(CRC32(`p`), 'N'), IFNULL(CRC32(`b`+0), 'N')," +
      " IFNULL(CRC32(`f`+0e0), 'N'), IFNULL(CRC32(HEX(`g`)), 'N'), IFNULL(CRC32(CAST(`j` AS CHAR)), 'N')))), 0) AS checksum FROM `s``x`.`t`",
  )
})

test('history is summed with all versions, and a table without data columns is only counted', () => {
  expect(checksumStatement('s', { name: 't', history: true, columns: [], dataColumns: ['row_start'] })).toContain(
    'FROM `s`.`t` FOR SYSTEM_TIME ALL',
  )
  expect(checksumStatement('s', { name: 't', history: false, columns: [], dataColumns: [] })).toBe(
    'SELECT COUNT(*) AS row_count, 0 AS checksum FROM `s`.`t`',
  )
})
