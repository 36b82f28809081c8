import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BinlogFacts } from './binlog-scan.ts'
import { type ReplayEnd, ReplayEndFinder, type ReplayStart, type ReplayStop } from './binlog-stop.ts'
import type { BinlogTransaction } from './binlog-transaction.ts'

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

interface File {
  readonly binlog: string
  readonly transactions: readonly BinlogTransaction[]
  readonly to: number
  readonly shift?: number
  readonly next?: string
  readonly unfinished?: number
}

function transaction(from: number, to: number, seconds: number, gtid?: string, more: Partial<BinlogTransaction> = {}): BinlogTransaction {
  return {
    begin: from,
    end: to,
    from,
    to,
    time: seconds * 1000,
    exact: false,
    tables: [],
    ...(gtid === undefined ? {} : { gtid }),
    ...more,
  }
}

function find(
  files: readonly File[],
  stop: ReplayStop | undefined,
  start: ReplayStart,
  flavour: BinlogFacts['flavour'] = 'mariadb',
): ReplayEnd {
  const finder = new ReplayEndFinder(stop, start, flavour)
  for (const { binlog, transactions, to, shift = 0, next, unfinished } of files) {
    finder.beginFile(binlog)
    for (const one of transactions) finder.take(one)
    // A caller may stop reading as soon as nothing changes any more, or may not.
    finder.endFile({
      binlog,
      to,
      bytes: to - shift,
      ...(next === undefined ? {} : { next }),
      ...(unfinished === undefined ? {} : { unfinished }),
    } as BinlogFacts)
  }
  return finder.result()
}

const files: readonly File[] = [
  {
    binlog: 'b.000007',
    transactions: [transaction(379, 500, 100, '0-1-1'), transaction(500, 700, 110, '0-1-2'), transaction(740, 900, 110, '0-1-3')],
    to: 950,
    next: 'b.000008',
  },
  {
    binlog: 'b.000008',
    transactions: [transaction(400, 600, 120, '1-1-1'), transaction(600, 800, 115, '0-1-4'), transaction(800, 1000, 130, '0-2-6')],
    to: 1000,
  },
]
const start: ReplayStart = { file: 'b.000007', position: 379, gtid: '' }

function applied(end: ReplayEnd): readonly [last: string | undefined, next: string | undefined, place: string, found: boolean] {
  return [end.last?.gtid, end.next?.gtid, `${end.binlog}:${end.offset}`, end.found]
}

describe('where a replay ends', () => {
  it.each<[string, ReplayStop | undefined, readonly [string | undefined, string | undefined, string, boolean]]>([
    ['the end of the logs', undefined, ['0-2-6', undefined, 'b.000008:1000', true]],
    ['before a second', { before: 110_000 }, ['0-1-1', '0-1-2', 'b.000007:500', true]],
    ['before a fraction of a second', { before: 110_900 }, ['0-1-1', '0-1-2', 'b.000007:500', true]],
    ['before the next second', { before: 111_000 }, ['0-1-3', '1-1-1', 'b.000008:400', true]],
    ['before a time at which the clock went back', { before: 120_000 }, ['0-1-3', '1-1-1', 'b.000008:400', true]],
    ['before a time that the logs do not reach', { before: 131_000 }, ['0-2-6', undefined, 'b.000008:1000', false]],
    ['before the first one', { before: 0 }, [undefined, '0-1-1', 'b.000007:379', true]],
    ['behind an offset', { position: { file: 'b.000007', offset: 700 } }, ['0-1-2', '0-1-3', 'b.000007:740', true]],
    ['behind an offset in a transaction', { position: { file: 'b.000007', offset: 800 } }, ['0-1-2', '0-1-3', 'b.000007:740', true]],
    ['behind the end of a file', { position: { file: 'b.000007', offset: 950 } }, ['0-1-3', '1-1-1', 'b.000008:400', true]],
    ['at the beginning of a file', { position: { file: 'b.000008', offset: 4 } }, ['0-1-3', '1-1-1', 'b.000008:400', true]],
    ['at its own beginning', { position: { file: 'b.000007', offset: 379 } }, [undefined, '0-1-1', 'b.000007:379', true]],
    ['at the end of the last file', { position: { file: 'b.000008', offset: 1000 } }, ['0-2-6', undefined, 'b.000008:1000', true]],
    ['behind the end of the last file', { position: { file: 'b.000008', offset: 1001 } }, ['0-2-6', undefined, 'b.000008:1000', false]],
    ['in a file that is not there', { position: { file: 'b.000009', offset: 4 } }, ['0-2-6', undefined, 'b.000008:1000', false]],
    ['before its own beginning', { position: { file: 'b.000007', offset: 4 } }, [undefined, '0-1-1', 'b.000007:379', false]],
    ['in another row of files', { position: { file: 'c.000007', offset: 4 } }, [undefined, '0-1-1', 'b.000007:379', false]],
    ['behind a GTID', { position: { gtid: '0-1-2' } }, ['0-1-2', '0-1-3', 'b.000007:700', true]],
    ['behind a list of GTIDs', { position: { gtid: '1-1-1,0-1-2' } }, ['1-1-1', '0-1-4', 'b.000008:600', true]],
    ['behind the last GTID', { position: { gtid: '0-2-6,1-1-1' } }, ['0-2-6', undefined, 'b.000008:1000', true]],
    ['behind a GTID that the log leaps over', { position: { gtid: '0-1-5' } }, ['0-1-4', '0-2-6', 'b.000008:800', false]],
    ['behind a GTID of another server', { position: { gtid: '0-1-6' } }, ['0-1-4', '0-2-6', 'b.000008:800', false]],
    ['behind a GTID that never comes', { position: { gtid: '7-1-1' } }, ['0-2-6', undefined, 'b.000008:1000', false]],
    ['before a GTID', { beforePosition: { gtid: '1-1-1' } }, ['0-1-3', '1-1-1', 'b.000008:400', true]],
    ['before a GTID that never comes', { beforePosition: { gtid: '0-1-5' } }, ['0-2-6', undefined, 'b.000008:1000', false]],
    ['before an offset', { beforePosition: { file: 'b.000007', offset: 740 } }, ['0-1-2', '0-1-3', 'b.000007:740', true]],
    [
      'before the transaction around an offset',
      { beforePosition: { file: 'b.000007', offset: 899 } },
      ['0-1-2', '0-1-3', 'b.000007:740', true],
    ],
  ])('%s', (_, stop, expected) => {
    expect(applied(find(files, stop, start))).toEqual(expected)
  })

  it('leaves out what is there already', () => {
    const later = { file: 'b.000007', position: 700, gtid: '0-1-2' }
    expect(applied(find(files, { before: 0 }, later))).toEqual([undefined, '0-1-3', 'b.000007:740', true])
    expect(applied(find(files, { position: { gtid: '0-1-2' } }, later))).toEqual([undefined, '0-1-3', 'b.000007:740', true])
    expect(applied(find(files, { position: { gtid: '0-1-3' } }, later))).toEqual(['0-1-3', '1-1-1', 'b.000007:900', true])
    expect(() => find(files, undefined, { ...later, position: 750 })).toThrow(
      /position 750 of b.000007 lies inside the transaction from 740 to 900/,
    )
  })

  it('looks at fractions where the log has them', () => {
    const exact = [transaction(4, 10, 100.25, undefined, { exact: true }), transaction(10, 20, 100.75, undefined, { exact: true })]
    const one = [{ binlog: 'b.1', transactions: exact, to: 20 }]
    expect(find(one, { before: 100_500 }, { file: 'b.1', position: 4 }, 'mysql')).toMatchObject({ offset: 10, found: true })
    expect(find(one, { before: 100_750 }, { file: 'b.1', position: 4 }, 'mysql')).toMatchObject({ offset: 10, found: true })
    expect(find(one, { before: 100_751 }, { file: 'b.1', position: 4 }, 'mysql')).toMatchObject({ offset: 20, found: false })
  })

  it('counts sets of MySQL GTIDs together', () => {
    const numbers = [5, 8, 6, 7, 9]
    const transactions = numbers.map((number, index) => transaction(index * 10, index * 10 + 10, 1, `${uuid}:${number}`))
    const one = [{ binlog: 'b.1', transactions, to: 50 }]
    const begin = { file: 'b.1', position: 0, gtid: `${uuid}:1-4` }
    expect(applied(find(one, { position: { gtid: `${uuid}:1-7` } }, begin, 'mysql'))).toEqual([`${uuid}:7`, `${uuid}:9`, 'b.1:40', true])
    expect(applied(find(one, { position: { gtid: `${uuid}:8` } }, begin, 'mysql'))).toEqual([`${uuid}:8`, `${uuid}:6`, 'b.1:20', true])
    expect(applied(find(one, { position: { gtid: `${uuid}:3` } }, begin, 'mysql'))).toEqual([undefined, `${uuid}:5`, 'b.1:0', true])
    const upper = uuid.toUpperCase()
    expect(applied(find(one, { beforePosition: { gtid: `${upper}:8` } }, begin, 'mysql'))).toEqual([
      `${uuid}:5`,
      `${uuid}:8`,
      'b.1:10',
      true,
    ])
    expect(find(one, { beforePosition: { gtid: `${uuid}:tag:8` } }, begin, 'mysql').found).toBe(false)
  })

  it('does not replay half a transaction, and tells bytes from positions in parts of a binlog', () => {
    const part = {
      binlog: 'b.000003',
      transactions: [transaction(5000, 5100, 10, '0-1-1', { begin: 260, end: 360 })],
      to: 5300,
      shift: 4740,
      unfinished: 360,
    }
    expect(find([part], undefined, { file: 'b.000003', position: 5000 })).toMatchObject({ offset: 360, position: 5100, found: true })
    expect(find([part], { before: 5000 }, { file: 'b.000003', position: 5000 })).toMatchObject({ offset: 260, position: 5000 })
    expect(find([], undefined, { file: 'b.000003', position: 5000, offset: 260 })).toMatchObject({
      offset: 260,
      position: 5000,
      found: false,
    })
  })

  it.each<[ReplayStop, BinlogFacts['flavour']]>([
    [{ position: { gtid: 'yesterday' } }, 'mariadb'],
    [{ position: { gtid: '' } }, 'mariadb'],
    [{ position: { gtid: '0-1-1' } }, 'mysql'],
    [{ beforePosition: { gtid: '0-1-1,1-1-1' } }, 'mariadb'],
    [{ beforePosition: { gtid: `${uuid}:1-2` } }, 'mysql'],
    [{ beforePosition: { gtid: `${uuid}:1,${uuid}:t:1` } }, 'mysql'],
    [{ beforePosition: { gtid: `${uuid}:1:5` } }, 'mysql'],
  ])('refuses %j for %s', (stop, flavour) => {
    expect(() => find(files, stop, start, flavour)).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
  })

  it('replays exactly what comes before the first transaction of the time or later', () => {
    const times = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 12 })
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 20_999 }), fc.integer({ min: 0, max: 12 }), (seconds, before, skipped) => {
        const transactions = seconds.map((second, index) => transaction(4 + index * 10, 14 + index * 10, second))
        const position = 4 + Math.min(skipped, seconds.length) * 10
        const to = 4 + seconds.length * 10
        const end = find([{ binlog: 'b.1', transactions, to }], { before }, { file: 'b.1', position })
        const expected = transactions.find(({ from, time }) => from >= position && time >= Math.floor(before / 1000) * 1000)
        expect(end.next?.from).toBe(expected?.from)
        expect(end.position).toBe(expected?.from ?? to)
        expect(end.found).toBe(expected !== undefined)
      }),
    )
  })
})
