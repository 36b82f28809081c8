import { type Backup, BackupError } from '@backup-planet/core'
import { expect, it } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { continuationOf, type ReadBeginning } from './log-continuation.ts'

const facts = { flavour: 'mysql', id: 'uuid', logBin: true } as ServerFacts

interface Scene {
  /** Name → size; the last one is written to. */
  readonly binlogs: Readonly<Record<string, number>>
  /** Name → identity; a binlog that is not here cannot be read. */
  readonly identities?: Readonly<Record<string, string>>
  readonly kind?: 'full' | 'log'
  readonly chain: readonly Backup[]
  readonly denied?: boolean
}

async function continued({ binlogs, identities = {}, kind = 'log', chain, denied = false }: Scene) {
  const names = Object.keys(binlogs)
  const last = names.at(-1) ?? ''
  const session: MysqlSession = {
    run: async () => undefined,
    rows: async (sql) =>
      sql === 'SHOW BINARY LOGS'
        ? names.map((name) => serverRow(['log_name', 'file_size'], [name, String(binlogs[name])], sql))
        : [serverRow(['file', 'position', 'a', 'b', 'executed_gtid_set'], [last, String(binlogs[last]), '', '', ''], sql)],
  }
  const readBeginning: ReadBeginning = async (binlog) => {
    if (denied) throw new BackupError('no', { code: 'ACCESS_DENIED', hint: 'x' })
    const identity = identities[binlog]
    if (identity === undefined) throw new BackupError('gone', { code: 'NOT_FOUND', hint: 'x' })
    return { identity, gtidBefore: '' }
  }
  return await continuationOf({ session, server: facts, kind, chain, readBeginning })
}

function backup(id: string, kind: 'full' | 'log', file: string, offset: string, identity?: string, chain = 'uuid', from?: string): Backup {
  const at = `2026-03-01T0${id}:00:00.000Z`
  return {
    format: 'backup-planet/manifest/1',
    id,
    job: 'j',
    application: 'mysql',
    agent: { version: '1' },
    source: { id: 'uuid', name: 'db1', version: '8' },
    kind,
    status: 'complete',
    beganAt: at,
    consistentAt: at,
    endedAt: at,
    ...(from === undefined ? {} : { from: { chain, value: { file: from, offset: '4', gtid: '' } } }),
    position: { chain, value: { file, offset, gtid: '' } },
    items: [{ item: kind === 'full' ? 'shop' : 'binlog', facts: {} }],
    facts: { binlog: { file, offset, gtid: '', ...(identity === undefined ? {} : { identity }) } },
    storage: {},
  }
}

const full = backup('1', 'full', 'b.000002', '4', 'two')
const log = backup('2', 'log', 'b.000003', '4', 'three', 'uuid', 'b.000002')

it('goes on where the last log ended', async () => {
  const { next, binlogs } = await continued({
    binlogs: { 'b.000001': 9, 'b.000003': 99, 'b.000004': 500 },
    identities: { 'b.000003': 'three' },
    chain: [full, log],
  })
  expect(next).toMatchObject({ kind: 'log', chain: 'uuid', from: log.position, follows: '2' })
  expect(binlogs.map(({ name }) => name)).toEqual(['b.000003', 'b.000004'])
})

it.each([
  ['the binlog has another beginning', { 'b.000003': 99 }, { 'b.000003': 'other' }, 'uuid~2', 'has another beginning'],
  ['the server is behind', { 'b.000001': 99 }, {}, 'uuid~2', 'is only at'],
  ['names are others', { 'c.000009': 99 }, {}, 'uuid~2', 'neither comes before the other'],
  ['it was purged', { 'b.000004': 99, 'b.000005': 9 }, {}, 'uuid', 'was purged'],
  ['one in the middle was deleted', { 'b.000003': 9, 'b.000005': 9 }, { 'b.000003': 'three' }, 'uuid', 'was purged'],
  ['the file of one in the middle is gone', { 'b.000003': 9, 'b.000004': 0, 'b.000005': 9 }, { 'b.000003': 'three' }, 'uuid', 'was purged'],
  ['the binlog cannot be read', { 'b.000003': 9, 'b.000004': 9 }, {}, 'uuid', 'was purged'],
  ['the binlog has lost its end', { 'b.000003': 3, 'b.000004': 9 }, { 'b.000003': 'three' }, 'uuid~2', 'has only 3 bytes'],
])('makes a full where %s', async (_, binlogs, identities, chain, reason) => {
  const { next } = await continued({ binlogs, identities, chain: [full, log] })
  expect(next).toMatchObject({ kind: 'full', chain, reason: { message: expect.stringContaining(reason) } })
})

it('names the new history of a full that was asked for, too', async () => {
  const scene = { binlogs: { 'b.000003': 99 }, identities: { 'b.000003': 'other' }, kind: 'full', chain: [full, log] } as const
  expect((await continued(scene)).next).toEqual({ kind: 'full', chain: 'uuid~2' })
  const later = backup('3', 'full', 'b.000003', '50', 'other', 'uuid~2')
  expect((await continued({ ...scene, chain: [full, log, later] })).next).toEqual({ kind: 'full', chain: 'uuid~2' })
  expect((await continued({ ...scene, kind: 'log', chain: [full, log, later] })).next).toMatchObject({
    kind: 'log',
    chain: 'uuid~2',
    follows: '3',
  })
})

it('compares positions only where no beginning was recorded', async () => {
  const bare = backup('1', 'full', 'b.000002', '4')
  expect((await continued({ binlogs: { 'b.000002': 99 }, chain: [bare] })).next).toMatchObject({ kind: 'log', follows: '1' })
})

it('makes a full without the right to read binlogs, and no log', async () => {
  const scene = { binlogs: { 'b.000003': 99 }, denied: true, chain: [full, log] }
  expect((await continued({ ...scene, kind: 'full' })).next).toEqual({ kind: 'full', chain: 'uuid' })
  await expect(continued(scene)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})
