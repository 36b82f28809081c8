import { describe, expect, it } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import { readGrants } from './restore-target.ts'

/** Answers each statement with one row of one value, and refuses what it does not expect. */
const scripted = (answers: Readonly<Record<string, string>>): MysqlSession =>
  ({
    rows: async (sql: string) => {
      const answer = answers[sql]
      if (answer === undefined) throw new TypeError(`not expected: ${sql}`)
      return [serverRow(['roles'], [Buffer.from(answer)], sql)]
    },
  }) as unknown as MysqlSession

describe('the rights on the target', () => {
  it('are those of the active roles too, in the words of each server', async () => {
    expect(await readGrants(scripted({ 'SHOW GRANTS': 'a' }), { flavour: 'mariadb', versionNumbers: [10, 11, 0] })).toEqual(['a'])
    expect(await readGrants(scripted({ 'SHOW GRANTS': 'b' }), { flavour: 'mysql', versionNumbers: [5, 7, 44] })).toEqual(['b'])
    const mysql8 = { flavour: 'mysql', versionNumbers: [8, 4, 0] } as const
    expect(await readGrants(scripted({ 'SELECT CURRENT_ROLE() AS roles': 'NONE', 'SHOW GRANTS': 'c' }), mysql8)).toEqual(['c'])
    const roles = '`r`@`%`,`s`@`h`'
    expect(
      await readGrants(
        scripted({ 'SELECT CURRENT_ROLE() AS roles': roles, [`SHOW GRANTS FOR CURRENT_USER() USING ${roles}`]: 'd' }),
        mysql8,
      ),
    ).toEqual(['d'])
  })
})
