import { expect, it } from 'vitest'
import { eventType } from '../binlog/binlog-event-type.ts'
import { refuseForClient } from './log-replay-client-text.ts'
import { wayFor } from './log-replay-way.ts'

const failed = (error: number) => {
  const body = Buffer.concat([Buffer.alloc(14), Buffer.from('UPDATE t SET a = 1')])
  body.writeUInt16LE(error, 9)
  const event = { type: eventType.QUERY, timestamp: 1, serverId: 1, flags: 0, bytes: body, body, fixedBytes: 13, begin: 4, end: 90 }
  return () => refuseForClient({ type: 'event', event }, 'binlog.000001')
}

function thrownBy(action: () => void): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
}

it('points to the other way of replaying only where that can do it', () => {
  expect(failed(1062)).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED', hint: expect.stringMatching(/replay set to statements.*goes on where it has ended/) }),
  )
  expect(failed(1317)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', hint: expect.stringMatching(/skipGtids/) }))
  expect(failed(0)).not.toThrow()
  expect([1062, 1317].map((error) => wayFor(thrownBy(failed(error))))).toEqual(['statements', undefined])
})
