import { describe, expect, test } from 'vitest'
import type { Backup, PositionOrder } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { addBackup, Calls, RecordingRepository } from './__fixtures__/recording-parts.ts'
import { chainTo } from './backup-chain.ts'

describe('the chain to a backup', () => {
  const at = (offset: number) => ({ chain: 'c', value: { offset: String(offset) } })
  const backup = (id: string, extra: Partial<Backup>): Backup =>
    addBackup(
      new RecordingRepository(new Calls()),
      id,
      {},
      { items: [{ item: 'shop', facts: {} }], endedAt: `2026-11-22T00:00:${id.padStart(2, '0')}Z`, ...extra },
    )
  const full = backup('1', { position: at(1) })
  const differential = backup('2', { kind: 'differential', from: at(1), position: at(2) })
  const log = backup('3', { kind: 'log', from: at(1), position: at(3) })
  const later = backup('4', { kind: 'log', from: at(3), position: at(4) })
  const all = [later, log, differential, full]
  const ids = (backups: readonly Backup[]) => backups.map(({ id }) => id)

  test('follows the positions exactly where it can', () => {
    expect(ids(chainTo(full, all))).toEqual(['1'])
    expect(ids(chainTo(differential, all))).toEqual(['1', '2'])
    expect(ids(chainTo(later, all))).toEqual(['1', '3', '4'])
  })

  test('leaves the order to the agent where positions overlap', () => {
    const overlapping = backup('5', { kind: 'log', from: at(0), position: at(5) })
    expect(ids(chainTo(overlapping, all))).toEqual(['1', '2', '3', '4', '5'])
  })

  test('takes the order of the agent, never goes across a gap, and says where it is', () => {
    const overlapping = backup('5', { kind: 'log', from: at(0), position: at(5) })
    const order: PositionOrder = (a, b) => Math.sign(Number(a.value.offset) - Number(b.value.offset)) as -1 | 0 | 1
    expect(ids(chainTo(overlapping, all, order))).toEqual(['1', '2', '5'])
    const beyond = backup('6', { kind: 'log', from: at(7), position: at(8) })
    expect(() => chainTo(beyond, all, order)).toThrow(
      'the log backup 6 cannot be restored: the log backup 6 begins at offset 7, and no full backup that is there leads up to that.',
    )
  })

  test('does not stop in another backup that covers it', () => {
    const order: PositionOrder = (a, b) => Math.sign(Number(a.value.offset) - Number(b.value.offset)) as -1 | 0 | 1
    const wide = backup('5', { kind: 'log', from: at(1), position: at(9) })
    const inside = backup('6', { kind: 'log', from: at(6), position: at(8) })
    expect(() => chainTo(inside, [full, wide], order)).toThrow('other backups cover what is in it: 1, 5')
  })

  test('never goes through a partial backup, and says when there is no full', () => {
    expect(() => chainTo(later, [{ ...full, status: 'partial' }, log])).toThrow(BackupError)
    expect(() => chainTo(later, [log])).toThrow('the log backup 4 needs a full backup')
    expect(() => chainTo(later, [{ ...full, job: 'other' }, log])).toThrow(BackupError)
  })
})
