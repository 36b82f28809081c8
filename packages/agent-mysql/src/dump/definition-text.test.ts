import { BackupError } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { serverRow } from '../mysql-rows.ts'
import { definitionText } from './definition-text.ts'

const text = (statement: string) =>
  definitionText(serverRow(['table', 'create table'], [Buffer.from('t'), Buffer.from(statement, 'latin1')], 'reading'), 1, 'table s.t')

test('text that is UTF-8 stays as it is, whatever its literals mean', () => {
  const plain = "CREATE TABLE `t` (`a` char(9) DEFAULT 'it''s \\\\ \u00c3\u00bc', `b` varchar(9) DEFAULT _latin1'\u00c3\u00a9')"
  expect(text(plain)).toBe(Buffer.from(plain, 'latin1').toString('utf8'))
})

test.each([
  ["(`b` varbinary(8) DEFAULT '\xff\\0\xfe')", "(`b` varbinary(8) DEFAULT x'FF00FE')"],
  ["(`b` varbinary(8) DEFAULT '\xff\\'''\"\\\\\\n\\%')", "(`b` varbinary(8) DEFAULT x'FF2727225C0A5C25')"],
  ["(CHECK (`d` <> _latin1'\xdf'))", "(CHECK (`d` <> _latin1 x'DF'))"],
  ["(CHECK (`d` <> _binary '\xff' 'a'))", "(CHECK (`d` <> _binary x'FF61'))"],
  ["(`e` enum('\xfe','b') COMMENT '\xc3\xbc')", "(`e` enum(x'FE','b') COMMENT '\u00fc')"],
])('literals that are no UTF-8 are written as bytes: %j', (statement, wanted) => {
  expect(text(`CREATE TABLE \`t\` ${statement}`)).toBe(`CREATE TABLE \`t\` ${wanted}`)
})

test.each(['(`\xff` int)', "(`a` int COMMENT '\xff')", '(`a` int /* \xff */)'])('other bytes are refused by name: %j', (statement) => {
  const read = () => text(`CREATE TABLE \`t\` ${statement}`)
  expect(read).toThrow(BackupError)
  expect(read).toThrow('table s.t holds bytes that are no UTF-8')
})

test('no column of an answer is decoded with losses', () => {
  const row = serverRow(['a', 'b'], [Buffer.from([0xff]), new Uint8Array([0x61])], 'listing')
  expect(() => row.at(0)).toThrow('listing: a holds bytes that are no UTF-8')
  expect(() => row.text('a')).toThrow(BackupError)
  expect(row.text('b')).toBe('a')
})
