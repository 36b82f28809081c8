import type { Position } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { mysqlAgentSettingsSchema } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { beginLogCapture } from './begin-log-capture.ts'
import type { Continuation } from './log-continuation.ts'

const since = '2026-03-01T01:00:00.000Z'
const from: Position = { chain: 'uuid', value: { file: 'b.000003', offset: '99', gtid: '' } }

/** A server that stands at `offset` of the binlog of the last backup, and into which somebody began to restore. */
function begin(offset: string, restored: readonly string[]) {
  const statements: string[] = []
  const session: MysqlSession = {
    run: async (sql) => void statements.push(sql),
    rows: async (sql) => {
      if (sql.includes('backup_planet_unlogged'))
        return restored.length === 0 ? [] : [serverRow(['began_at', 'ended_at'], [...restored], sql)]
      if (sql.includes('UTC_TIMESTAMP')) return [serverRow(['time'], ['2026-03-01T02:00:00.000000'], sql)]
      if (sql === 'SHOW BINARY LOGS')
        return [
          serverRow(['log_name', 'file_size'], ['b.000003', '500'], sql),
          serverRow(['log_name', 'file_size'], ['b.000004', '4'], sql),
        ]
      return [serverRow(['file', 'position', 'a', 'b', 'executed_gtid_set'], ['b.000003', offset, '', '', ''], sql)]
    },
  }
  const continuation = { next: { kind: 'log', chain: 'uuid', from, follows: '2' } } as unknown as Continuation
  const begun = beginLogCapture(
    {
      settings: mysqlAgentSettingsSchema.parse({ host: 'db1', user: 'backup' }),
      session,
      server: { flavour: 'mysql', id: 'uuid', logBin: true } as ServerFacts,
      sourceName: 'db1',
      continuation,
      since,
      identity: undefined,
      readBeginning: () => Promise.reject(new Error('it came too far')),
    },
    {},
  )
  return { begun, statements }
}

const restored = ['2026-03-01T01:30:00.000000', '2026-03-01T01:40:00.000000']

it.each([
  ['whatever was written', '90000'],
  ['though nothing was written', '99'],
])('a restore that began since the log was decided on is noticed, %s', async (_, offset) => {
  await expect(begin(offset, restored).begun).rejects.toMatchObject({
    code: 'INCONSISTENT',
    retryable: true,
    message: expect.stringContaining('2026-03-01T01:40:00.000Z'),
  })
})

it('none is no reason against a log, and one that ended before the last backup neither', async () => {
  for (const none of [[], ['2026-03-01T00:30:00.000000', '2026-03-01T00:40:00.000000']]) {
    const { begun, statements } = begin('99', none)
    expect((await begun).facts).toMatchObject({ kind: 'log', facts: { files: 0 } })
    expect(statements).toEqual([])
    await expect(begin('90000', none).begun).rejects.toThrow('it came too far')
  }
})
