import { describe, expect, test } from 'vitest'
import type { Backup, CaptureKind } from '../contracts/index.ts'
import { at, minute, numbered, sketched, withoutItemB } from './__fixtures__/numbered-positions.ts'
import { historyOf } from './chain-history.ts'
import { nextKind, type ServerState } from './next-kind.ts'
import { historyName, historyNumber, newestHistory } from './server-histories.ts'

const full = sketched({ id: 'full', kind: 'full', consistentAt: minute(0), position: at('s', 10) })
const log = sketched({ id: 'log', kind: 'log', consistentAt: minute(10), from: at('s', 10), position: at('s', 20) })
const full2 = sketched({ id: 'full2', kind: 'full', consistentAt: minute(15), position: at('s', 25) })
const server: ServerState = { chain: 's', position: at('s', 30), oldest: at('s', 0) }

function next(kind: CaptureKind, backups: readonly Backup[], state: Partial<ServerState> = {}) {
  return nextKind({ kind, history: historyOf(backups, numbered), server: { ...server, ...state } })
}

describe('what may follow', () => {
  test('a log goes on where the last log ended, also when a full was made since', () => {
    expect(next('log', [full])).toEqual({ kind: 'log', chain: 's', from: at('s', 10), follows: 'full' })
    expect(next('log', [full2, log, full])).toEqual({ kind: 'log', chain: 's', from: at('s', 20), follows: 'log' })
  })

  test('a log goes on from the full when the server has only what follows that, and says what is lost', () => {
    expect(next('log', [full, log, full2], { oldest: at('s', 25) })).toEqual({
      kind: 'log',
      chain: 's',
      from: at('s', 25),
      follows: 'full2',
      warning:
        'The logs from number 20, where backup log ends, are no longer on the server: no moment between it and backup full2 can be restored.',
    })
  })

  test('a log goes back to where restores can come from, when a log between was lost', () => {
    const orphan = sketched({ id: 'orphan', kind: 'log', consistentAt: minute(20), from: at('s', 27), position: at('s', 29) })
    expect(next('log', [full, log, orphan])).toMatchObject({ kind: 'log', from: at('s', 20), follows: 'log' })
  })

  test('a differential builds on the newest full, or on that of ours that the server names', () => {
    expect(next('differential', [full, full2, log])).toEqual({ kind: 'differential', chain: 's', from: at('s', 25), follows: 'full2' })
    expect(next('differential', [full, full2], { differentialBase: at('s', 10) })).toMatchObject({ follows: 'full' })
  })

  test('a full is a full, for no reason', () => {
    expect(next('full', [full, log])).toEqual({ kind: 'full', chain: 's' })
  })

  test('only what the first repository has is continued', () => {
    const listings = [
      { repository: 'first', backups: [full] },
      { repository: 'mirror', backups: [full, log] },
    ]
    expect(nextKind({ kind: 'log', history: { listings, order: numbered }, server })).toMatchObject({ follows: 'full' })
  })
})

describe('why it is a full instead', () => {
  const cases: readonly [string, CaptureKind, readonly Backup[], Partial<ServerState>, { code: string; message: string }][] = [
    ['there is none', 'log', [], {}, { code: 'no-full', message: 'there is no full backup yet that could be continued' }],
    ['there are only logs', 'log', [log], {}, { code: 'no-full', message: 'there is no full backup yet that could be continued' }],
    [
      'the server is another',
      'log',
      [full],
      { chain: 't', position: at('t', 3), oldest: at('t', 0) },
      {
        code: 'chain-changed',
        message: 'the last backup is of the history s and the server is in t: it was replaced, reset or restored',
      },
    ],
    [
      'the only full is partial',
      'differential',
      [withoutItemB(full)],
      {},
      { code: 'last-incomplete', message: 'the full backup full is partial, b failed, and nothing may be built on it' },
    ],
    [
      'the only full is limited',
      'log',
      [{ ...full, limitedTo: ['a'] }],
      {},
      { code: 'last-incomplete', message: 'the full backup full was limited to a, and nothing may be built on it' },
    ],
    [
      'the server keeps no logs',
      'log',
      [full],
      { oldest: undefined as never },
      { code: 'no-logs', message: 'the server keeps no logs that could be backed up' },
    ],
    [
      'its logs were purged',
      'log',
      [full, log],
      { oldest: at('s', 21) },
      {
        code: 'logs-purged',
        message:
          'backup log ends at number 20 and the logs of the server begin only at number 21: what is between was purged, or backed up by somebody else',
      },
    ],
    [
      'somebody else made a full',
      'differential',
      [full],
      { differentialBase: at('s', 12) },
      {
        code: 'foreign-full',
        message:
          'the differentials of the server build on a full backup at number 12 that is not there, and the newest of ours, full, is at number 10: somebody else made it',
      },
    ],
  ]
  test.each(cases)('%s', (_, kind, backups, state, reason) => {
    expect(next(kind, backups, state)).toEqual({ kind: 'full', chain: state.chain ?? 's', reason })
  })

  test('the server went back: a new history of it begins, and the old one is never continued again', () => {
    const back = { position: at('s', 15) }
    const promoted = next('log', [full, log], back)
    expect(promoted).toEqual({
      kind: 'full',
      chain: 's~2',
      reason: {
        code: 'position-ahead',
        message: 'backup log ends at number 20 and the server is only at number 15: it was restored or reset',
      },
    })
    expect(next('full', [full, log], back)).toEqual({ kind: 'full', chain: 's~2' })
    const anew = { ...full2, id: 'anew', position: at('s~2', 15) }
    expect(next('log', [full, log, anew], { position: at('s', 17) })).toEqual({
      kind: 'log',
      chain: 's~2',
      from: at('s~2', 15),
      follows: 'anew',
    })
  })

  test('the agent found that the logs have another content, or the order that neither position comes first', () => {
    expect(next('log', [full], { broken: 'the binlog has another beginning' })).toEqual({
      kind: 'full',
      chain: 's~2',
      reason: { code: 'history-broken', message: 'the server no longer continues what was backed up: the binlog has another beginning' },
    })
    expect(next('log', [full], { position: { chain: 's', value: { number: 'x' } } })).toMatchObject({
      kind: 'full',
      chain: 's~2',
      reason: { code: 'not-comparable' },
    })
  })
})

test('histories of a server are counted', () => {
  expect([historyName('s', 1), historyName('s', 2)]).toEqual(['s', 's~2'])
  expect(['s', 's~2', 's~12', 's~1', 's~02', 's~x', 't~2', 's~'].map((chain) => historyNumber(chain, 's'))).toEqual([
    1,
    2,
    12,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ])
  expect(newestHistory(['s~3', 's', 't~9', 's~2'], 's')).toBe(3)
})
