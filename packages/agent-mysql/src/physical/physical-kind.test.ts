import { type Backup, historyOf, nextKind, type Position } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { comparePositions } from '../mysql-position.ts'
import { nextPhysicalKind, type PhysicalKind, type PhysicalState } from './physical-kind.ts'

const at = (offset: string, chain = 'server'): Position => ({ chain, value: { file: 'binlog.000007', offset, gtid: '' } })
interface Server extends PhysicalState {
  readonly position: Position
}

const server: Server = { version: '10.11.6-MariaDB', logBin: true, position: at('900'), lsn: '5000', datadir: '12@34' }

function next(kind: 'full' | 'differential', backups: readonly Backup[], now: Server): PhysicalKind {
  const { position } = now
  const decided = nextKind({ kind, history: historyOf(backups, comparePositions), server: { chain: position.chain, position } })
  return nextPhysicalKind(kind, decided, backups, now)
}

function backup(id: string, more: Partial<Backup> = {}, facts: Readonly<Record<string, string | number>> = {}): Backup {
  return {
    format: 'backup-planet/manifest/1',
    id,
    job: 'shop',
    application: 'mysql',
    agent: { version: '1.0.0' },
    source: { id: 'server', name: 'db1', version: '10.11.5-MariaDB' },
    kind: 'full',
    status: 'complete',
    beganAt: `2026-01-0${id.slice(-1)}T00:00:00Z`,
    consistentAt: `2026-01-0${id.slice(-1)}T00:00:00Z`,
    endedAt: `2026-01-0${id.slice(-1)}T00:00:00Z`,
    position: at('100'),
    items: [
      {
        item: 'instance',
        bytes: 10,
        facts: {
          format: 'mbstream',
          tool: 'mariadb-backup 10.11.5',
          fromLsn: '0',
          toLsn: '1000',
          lastLsn: '1100',
          datadir: '12@34',
          streamedFiles: 3,
          ...facts,
        },
      },
    ],
    facts: { mode: 'physical', flavour: 'mariadb' },
    storage: {},
    ...more,
  }
}

describe('what follows a physical backup', () => {
  it('is a differential since the newest full, by the LSN of that full', () => {
    const backups = [backup('f1'), backup('f2', { position: at('200') }, { toLsn: '2000', lastLsn: '2100' })]
    expect(next('differential', backups, server)).toEqual({
      kind: 'differential',
      chain: 'server',
      base: { id: 'f2', from: at('200'), lsn: '2000' },
    })
  })

  it('is a full where one is asked for', () => {
    expect(next('full', [backup('f1')], server)).toEqual({ kind: 'full', chain: 'server' })
  })

  it.each<[string, readonly Backup[], Partial<Server>, RegExp]>([
    ['there is none', [], {}, /no full backup yet/],
    [
      'the newest full is logical',
      [backup('f1'), backup('f2', { position: at('200'), facts: {}, items: [{ item: 'shop', facts: {} }] })],
      {},
      /f2 is not physical/,
    ],
    ['the server is another one', [backup('f1')], { position: at('900', 'other') }, /the history server and the server is in other/],
    ['the server was upgraded', [backup('f1')], { version: '11.4.2-MariaDB' }, /10\.11\.5-MariaDB and the server is 11\.4\.2/],
    ['the data directory is another one', [backup('f1')], { datadir: '56@78' }, /data directory is another one/],
    ['the server was set back', [backup('f1')], { lsn: '1099' }, /reaches to LSN 1100 and the server is only at 1099/],
    ['the LSNs of the full cannot be read', [backup('f1', {}, { toLsn: '12; rm' })], {}, /f1 is not physical/],
  ])('is a full with the reason when %s', (_, backups, state, reason) => {
    const found = next('differential', backups, { ...server, ...state })
    expect(found.kind).toBe('full')
    expect(found.base).toBeUndefined()
    expect(found.reason).toMatch(reason)
  })

  it('is a full without a binlog, since nothing then tells which backup follows which', () => {
    expect(next('differential', [backup('f1')], { ...server, logBin: false })).toMatchObject({
      kind: 'full',
      reason: expect.stringContaining('no binlog'),
    })
  })
})
