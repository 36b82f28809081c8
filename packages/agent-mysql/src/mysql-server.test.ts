import { expect, test } from 'vitest'
import type { MysqlSession } from './mysql-connection.ts'
import { mysqlError } from './mysql-errors.ts'
import { serverRow } from './mysql-rows.ts'
import { atLeast, detectServer, flavourOf, readBinlogPosition, versionNumbers } from './mysql-server.ts'

type Answer = readonly (readonly (string | null)[])[]

/** A server that answers what it is told to, and refuses every other statement as a server does: with a syntax error. */
function scriptedSession(
  script: Readonly<Record<string, { readonly columns: readonly string[]; readonly rows: Answer }>>,
): MysqlSession & { asked: string[] } {
  const asked: string[] = []
  const rows = async (sql: string, during = sql) => {
    asked.push(sql)
    const answer = script[sql]
    if (answer === undefined) throw mysqlError(Object.assign(new Error('You have an error in your SQL syntax'), { errno: 1064 }), during)
    return answer.rows.map((values) => serverRow(answer.columns, values, during))
  }
  return { asked, rows, run: async (sql, during) => void (await rows(sql, during)) }
}

const snapshotStatus = "SHOW STATUS LIKE 'Binlog_snapshot_file'"

function server(version: string, variables: Readonly<Record<string, string>>, more: Parameters<typeof scriptedSession>[0] = {}) {
  return scriptedSession({
    'SELECT VERSION() AS version': { columns: ['version'], rows: [[version]] },
    'SHOW GLOBAL VARIABLES': { columns: ['variable_name', 'value'], rows: Object.entries({ log_bin: 'ON', server_id: '7', ...variables }) },
    [snapshotStatus]: { columns: ['variable_name', 'value'], rows: [] },
    ...more,
  })
}

const masterStatus = {
  columns: ['file', 'position', 'binlog_do_db', 'binlog_ignore_db', 'executed_gtid_set'],
  rows: [['b.000007', '154', '', '', 'aa:1-5,\nbb:1']],
}

test.each([
  ['5.7.44-log', { server_uuid: 'u57' }, 'SHOW MASTER STATUS', { lockInstance: false, roles: false }],
  ['8.0.36', { server_uuid: 'u80', gtid_mode: 'ON' }, 'SHOW MASTER STATUS', { lockInstance: true, roles: true }],
  ['8.4.3', { server_uuid: 'u84', gtid_mode: 'ON' }, 'SHOW BINARY LOG STATUS', { lockInstance: true, backupStage: false }],
  ['9.1.0', { server_uuid: 'u91', gtid_mode: 'ON' }, 'SHOW BINARY LOG STATUS', { lockInstance: true, backupStage: false }],
])('MySQL %s: the position is read with the statement that this server knows', async (version, variables, statement, supports) => {
  const session = server(version, variables, { [statement]: masterStatus })
  const facts = await detectServer(session)
  expect(facts).toMatchObject({ flavour: 'mysql', version, id: variables.server_uuid, logBin: true })
  expect(facts.supports).toMatchObject(supports)
  expect(await readBinlogPosition(session, facts)).toEqual({ file: 'b.000007', offset: '154', gtid: 'aa:1-5,bb:1' })
  expect(session.asked).toContain(statement)
})

test('MariaDB asks the old statement first and takes the GTID from its own variable', async () => {
  const session = server(
    '10.11.6-MariaDB-log',
    { server_uid: 'x', hostname: 'h' },
    {
      [snapshotStatus]: { columns: ['variable_name', 'value'], rows: [['Binlog_snapshot_file', 'b.1']] },
      'SHOW MASTER STATUS': { columns: ['file', 'position', 'a', 'b'], rows: [['b.000001', '4', '', '']] },
      'SELECT @@GLOBAL.gtid_binlog_pos AS gtid': { columns: ['gtid'], rows: [['0-1-9']] },
    },
  )
  const facts = await detectServer(session)
  expect(facts).toMatchObject({ flavour: 'mariadb', id: 'x', gtidMode: 'mariadb' })
  expect(facts.supports).toMatchObject({ backupStage: true, lockInstance: false, binlogSnapshotStatus: true })
  expect(await readBinlogPosition(session, facts)).toEqual({ file: 'b.000001', offset: '4', gtid: '0-1-9' })
  expect(session.asked).not.toContain('SHOW BINARY LOG STATUS')
})

test('a server without binlog has no position, and is asked for none', async () => {
  const session = server('8.0.36', { log_bin: 'OFF', server_uuid: 'u' })
  const facts = await detectServer(session)
  expect(await readBinlogPosition(session, facts)).toBeUndefined()
  expect(session.asked.filter((sql) => sql.includes('STATUS') && sql !== snapshotStatus)).toEqual([])
})

test('missing rights are no reason to try another statement', async () => {
  const session = server('8.0.36', { server_uuid: 'u' })
  const facts = await detectServer(session)
  const denied: MysqlSession = {
    rows: async () => {
      throw mysqlError(Object.assign(new Error('denied'), { errno: 1227 }), 'reading')
    },
    run: async () => undefined,
  }
  await expect(readBinlogPosition(denied, facts)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})

test.each([
  ['8.0.11-TiDB-v7.1.0', {}],
  ['8.0.32', { aurora_version: '3.04.0' }],
])('%s is refused, since it cannot be held at one point', async (version, variables) => {
  await expect(detectServer(server(version, variables))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
})

test('versions and flavours', () => {
  expect(versionNumbers('5.5.5-10.4.32-MariaDB')).toEqual([10, 4, 32])
  expect(versionNumbers('nonsense')).toEqual([0, 0, 0])
  expect(flavourOf('8.0.36-28', 'Percona Server (GPL), Release 28')).toBe('percona')
  expect(flavourOf('5.5.5-10.4.32-MariaDB', undefined)).toBe('mariadb')
  expect([atLeast([10, 4, 0], 10, 3, 9), atLeast([10, 4, 0], 10, 4, 1), atLeast([8, 0, 36], 8, 0, 36)]).toEqual([true, false, true])
})
