import { expect, it } from 'vitest'
import { dumpFailure } from './dump-failure.ts'

it.each([
  ['A slave with the same server_uuid/server_id as this slave has connected to the master', 'CONFLICT', true],
  ['Could not find first log file name in binary log index file', 'NOT_FOUND', false],
  ['Client requested master to start replication from impossible position', 'NOT_FOUND', false],
  ['log event entry exceeded max_allowed_packet', 'UNSUPPORTED', false],
  ['something else', 'APPLICATION', false],
])('%s: %s, may pass: %s', (message, code, retryable) => {
  const failure = dumpFailure({ errno: 1236, message }, { binlog: 'b.000001', position: 4 }, 'backup@%')
  expect(failure).toMatchObject({ code, retryable })
})

it('names the right that is missing, which does not pass by itself', () => {
  const failure = dumpFailure({ errno: 1227, message: 'Access denied' }, { binlog: 'b.000001', position: 4 }, 'backup@localhost')
  expect(failure).toMatchObject({ code: 'ACCESS_DENIED', retryable: false, hint: expect.stringContaining("'backup'@'localhost'") })
})
