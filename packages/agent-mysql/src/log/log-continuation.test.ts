import { type Backup, BackupError, type CaptureKind } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import type { MysqlSession } from '../mysql-connection.ts'
import { serverRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import type { BinlogPlace } from './binlog-place.ts'
import { continuationOf, type ReadBeginning } from './log-continuation.ts'

const facts = { flavour: 'mysql', id: 'uuid', logBin: true } as ServerFacts

interface Scene {
  /** Name → size; the last one is written to. */
  readonly binlogs: Readonly<Record<string, number>>
  /** Name → identity; a binlog that is not here cannot be read. */
  readonly identities?: Readonly<Record<string, string>>
  readonly kind?: CaptureKind
  readonly chain: readonly Backup[]
  readonly denied?: boolean
  /** What the server says of the place of a backup without identity. */
  readonly place?: BinlogPlace | undefined
  /** Begin and end of a restore that is not in the binlogs. */
  readonly restored?: readonly (readonly [began: string, ended?: string])[]
}

async function continued({ binlogs, identities = {}, kind = 'log', chain, denied = false, place, restored = [] }: Scene) {
  const names = Object.keys(binlogs)
  const last = names.at(-1) ?? ''
  const session: MysqlSession = {
    run: async () => undefined,
    rows: async (sql) =>
      sql.includes('backup_planet_unlogged')
        ? restored.map(([began, ended]) => serverRow(['began_at', 'ended_at'], [began, ended], sql))
        : sql === 'SHOW BINARY LOGS'
          ? names.map((name) => serverRow(['log_name', 'file_size'], [name, String(binlogs[name])], sql))
          : [serverRow(['file', 'position', 'a', 'b', 'executed_gtid_set'], [last, String(binlogs[last]), '', '', ''], sql)],
  }
  const readBeginning: ReadBeginning = async (binlog) => {
    if (denied) throw new BackupError('no', { code: 'ACCESS_DENIED', hint: 'x' })
    const identity = identities[binlog]
    if (identity === undefined) throw new BackupError('gone', { code: 'NOT_FOUND', hint: 'x' })
    return { identity, gtidBefore: '' }
  }
  return await continuationOf({ session, server: facts, kind, chain, readBeginning, readPlace: async () => place })
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

it('makes a full where a restore has changed the server behind its binlogs, once', async () => {
  const scene = { binlogs: { 'b.000003': 99 }, identities: { 'b.000003': 'three' }, chain: [full, log] }
  const after = [['2026-03-01T02:30:00.000000', '2026-03-01T02:40:00.000000']] as const
  expect((await continued({ ...scene, restored: after })).next).toMatchObject({
    kind: 'full',
    chain: 'uuid~2',
    reason: { message: expect.stringContaining('not written to the binlogs ended at 2026-03-01T02:40:00.000Z') },
  })
  expect((await continued({ ...scene, kind: 'full', restored: after })).next).toEqual({ kind: 'full', chain: 'uuid~2' })
  const later = backup('3', 'full', 'b.000003', '50', 'three', 'uuid~2')
  expect((await continued({ ...scene, chain: [full, log, later], restored: after })).next).toMatchObject({ kind: 'log', follows: '3' })
  const running = [['2026-03-01T00:30:00.000000']] as const
  expect((await continued({ ...scene, restored: running })).next).toMatchObject({ kind: 'full' })
})

it('makes a full where nobody knows whether the server was restored into at the end of a log', async () => {
  const unsure = { ...log, facts: { binlog: { ...(log.facts.binlog as object), clearUntil: '2026-03-01T01:20:00.000Z' } } }
  const scene = { binlogs: { 'b.000003': 99 }, identities: { 'b.000003': 'three' } }
  // It ended before the log does, and after the last moment at which there was none.
  const meanwhile = [['2026-03-01T01:25:00.000000', '2026-03-01T01:30:00.000000']] as const
  expect((await continued({ ...scene, chain: [full, unsure], restored: meanwhile })).next).toMatchObject({ kind: 'full', chain: 'uuid~2' })
  expect((await continued({ ...scene, chain: [full, log], restored: meanwhile })).next).toMatchObject({ kind: 'log', follows: '2' })
  const before = [['2026-03-01T01:05:00.000000', '2026-03-01T01:10:00.000000']] as const
  expect((await continued({ ...scene, chain: [full, unsure], restored: before })).next).toMatchObject({ kind: 'log', follows: '2' })
})

describe('where no beginning was recorded', () => {
  const bare: Backup = {
    ...backup('1', 'full', 'b.000002', '50'),
    position: { chain: 'uuid', value: { file: 'b.000002', offset: '50', gtid: '0-1-5' } },
  }
  const at = { createdAt: '2026-03-01T01:00:00.000Z', gtid: '0-1-5' }
  const scene = { binlogs: { 'b.000002': 99 }, chain: [bare] }

  it('goes on where the binlog is older than the backup and has its GTIDs at the place', async () => {
    expect((await continued({ ...scene, place: at })).next).toMatchObject({ kind: 'log', follows: '1' })
  })

  it.each([
    ['no transaction ends there', undefined, 'no transaction ends at 50'],
    ['other GTIDs are reached there', { ...at, gtid: '0-1-4' }, 'GTID 0-1-4 is reached there, and the backup has 0-1-5'],
    ['the binlog was begun later', { ...at, createdAt: '2026-03-01T01:00:01.000Z' }, 'it was begun at 2026-03-01T01:00:01.000Z'],
    ['the time of its beginning is not known', { gtid: at.gtid }, 'no known time'],
  ])('makes a full where %s', async (_, place, reason) => {
    const { next } = await continued({ ...scene, place })
    expect(next).toMatchObject({ kind: 'full', chain: 'uuid~2', reason: { message: expect.stringContaining(reason) } })
  })

  it('makes a full of logs that ended with a file where nothing else speaks for the next one', async () => {
    const logs = backup('2', 'log', 'b.000003', '4', undefined, 'uuid', 'b.000002')
    const followed = { binlogs: { 'b.000003': 99 }, identities: { 'b.000003': 'three' }, chain: [full, logs] }
    expect((await continued(followed)).next).toMatchObject({
      kind: 'full',
      reason: { message: expect.stringContaining('keeps no GTIDs') },
    })
  })
})

it('makes a differential on a full whose binlog was purged', async () => {
  const scene = { binlogs: { 'b.000003': 99 }, identities: { 'b.000003': 'three' }, chain: [full, log] }
  expect((await continued({ ...scene, kind: 'differential' })).next).toEqual({
    kind: 'differential',
    chain: 'uuid',
    follows: '1',
    from: full.position,
  })
})

it('makes a full and a differential without the right to read binlogs, and no log', async () => {
  const scene = { binlogs: { 'b.000003': 99 }, denied: true, chain: [full, log] }
  expect((await continued({ ...scene, kind: 'full' })).next).toEqual({ kind: 'full', chain: 'uuid' })
  expect((await continued({ ...scene, kind: 'differential' })).next).toMatchObject({ kind: 'differential', follows: full.id })
  await expect(continued(scene)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})
