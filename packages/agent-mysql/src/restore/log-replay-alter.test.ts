import { expect, it } from 'vitest'
import { eventType } from '../binlog/binlog-event-type.ts'
import { alterPhase, withoutPhase } from './log-replay-alter.ts'

/** Sequence, domain, flags, then what is given. */
const gtid = (flags: number, ...behind: number[]) => Buffer.from([...Array.from({ length: 12 }, () => 0), flags, ...behind])

it('reads from a GTID which half of an ALTER follows', () => {
  const group = [9, 9, 9, 9, 9, 9, 9, 9]
  expect(alterPhase(gtid(33, 2, 0, 0, 0, 0, 0))).toBe('start')
  expect(alterPhase(gtid(33, 4, 8, 0, 0, 0, 0, 0, 0, 0))).toBe('commit')
  expect(alterPhase(gtid(35, ...group, 8, 8, 0, 0, 0, 0, 0, 0, 0))).toBe('rollback')
  expect(alterPhase(gtid(33, 0, 0, 0, 0, 0, 0))).toBeUndefined()
  expect(alterPhase(gtid(35, ...group))).toBeUndefined()
  // The name of an XA transaction stands before.
  expect(alterPhase(gtid(64, 1, 0, 0, 0, 2, 1, 2, 4, 8))).toBeUndefined()
})

it.each([
  ['a beginning', [130, 2]],
  ['an end', [130, 4, 8, 0, 0, 0, 0, 0, 0, 0]],
  ['one that was logged at once', []],
])('takes the mark off the statement of %s, and nothing else', (_, mark) => {
  const fixed = Buffer.alloc(13)
  fixed[8] = 1
  const statement = [...Buffer.from('d'), 0, ...Buffer.from('ALTER TABLE t ADD a INT')]
  const status = (more: readonly number[]) => [0, 1, 2, 3, 4, ...more, 7, 5, 0]
  const body = (more: readonly number[]) => {
    fixed.writeUInt16LE(status(more).length, 11)
    return Buffer.from([...fixed, ...status(more), ...statement])
  }
  const bytes = Buffer.concat([Buffer.alloc(19), body(mark)])
  const event = {
    type: eventType.QUERY,
    timestamp: 1,
    serverId: 1,
    flags: 0,
    bytes,
    body: bytes.subarray(19),
    fixedBytes: 13,
    begin: 4,
    end: 90,
  }
  const taken = withoutPhase(event)
  expect(taken.body).toEqual(body([]))
  expect(taken.bytes.readUInt32LE(9)).toBe(mark.length === 0 ? 0 : 19 + taken.body.length)
})
