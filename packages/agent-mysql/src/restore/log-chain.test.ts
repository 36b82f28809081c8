import type { Backup } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { readLogChain } from './log-chain.ts'

const position = (file: string, offset: string) => ({ chain: 'c', value: { file, offset, gtid: '' } })

function backup(more: Partial<Backup>): Backup {
  return {
    format: 'backup-planet/manifest/1',
    id: 'full',
    job: 'j',
    application: 'mysql',
    agent: { version: '1' },
    source: { id: 's', name: 's', version: '10.11.18-MariaDB' },
    kind: 'full',
    status: 'complete',
    beganAt: '',
    consistentAt: '',
    endedAt: '',
    items: [],
    facts: {},
    storage: {},
    ...more,
  }
}

interface Part {
  readonly binlog: string
  readonly from: number
  readonly to: number
  readonly identity?: string
}

function log(id: string, from: Backup['position'], to: Backup['position'], parts: readonly Part[]): Backup {
  const binlogs = parts.map((part) => ({ ...part, file: part.binlog, bytes: part.to - part.from, serverVersion: '10.11.18-MariaDB' }))
  return backup({
    id,
    kind: 'log',
    ...(from && { from }),
    ...(to && { position: to }),
    items: [{ item: 'binlog', facts: { binlogs } }],
  })
}

const full = backup({ position: position('b.000009', '379'), facts: { binlog: { identity: 'i9' } } })
const places = (chain: ReturnType<typeof readLogChain>) => chain.files.map(({ binlog, begin, end }) => [binlog, begin, end])

describe('the chain of logs behind a full backup', () => {
  it('begins at the position of the full and goes on file by file, over whole files and parts', () => {
    const chain = readLogChain(full, [
      log('a', position('b.000009', '379'), position('b.000010', '4'), [{ binlog: 'b.000009', from: 0, to: 900, identity: 'i9' }]),
      log('b', position('b.000010', '4'), position('b.000010', '500'), [{ binlog: 'b.000010', from: 0, to: 520 }]),
      log('empty', position('b.000010', '500'), position('b.000010', '500'), []),
      log('c', position('b.000010', '500'), position('b.000012', '4'), [
        { binlog: 'b.000010', from: 500, to: 800 },
        { binlog: 'b.000011', from: 0, to: 700 },
      ]),
    ])
    expect(chain.problems).toEqual([])
    expect(places(chain)).toEqual([
      ['b.000009', 379, 900],
      ['b.000010', 4, 500],
      ['b.000010', 500, 800],
      ['b.000011', 0, 700],
    ])
  })

  it.each([
    ['a log that begins later', log('a', position('b.000010', '4'), position('b.000011', '4'), [{ binlog: 'b.000010', from: 0, to: 9 }])],
    [
      'a first file that is missing',
      log('a', position('b.000009', '379'), position('b.000011', '4'), [{ binlog: 'b.000010', from: 0, to: 900 }]),
    ],
    [
      'a file that is missing between',
      log('a', position('b.000009', '379'), position('b.000012', '4'), [
        { binlog: 'b.000009', from: 0, to: 900 },
        { binlog: 'b.000011', from: 0, to: 900 },
      ]),
    ],
    [
      'a part that begins behind the position',
      log('a', position('b.000009', '379'), position('b.000010', '4'), [{ binlog: 'b.000009', from: 400, to: 900 }]),
    ],
    [
      'another binlog of the same name',
      log('a', position('b.000009', '379'), position('b.000010', '4'), [{ binlog: 'b.000009', from: 0, to: 900, identity: 'other' }]),
    ],
    [
      'a log that ends before it says',
      log('a', position('b.000009', '379'), position('b.000011', '4'), [{ binlog: 'b.000009', from: 0, to: 900 }]),
    ],
    [
      'facts that cannot be read',
      backup({
        id: 'a',
        kind: 'log',
        from: position('b.000009', '379'),
        position: position('b.000010', '4'),
        items: [{ item: 'binlog', facts: { binlogs: [{ file: 7 }] } }],
      }),
    ],
    ['no position', log('a', undefined, position('b.000010', '4'), [])],
  ])('names what is missing: %s', (_, one) => {
    const [problem] = readLogChain(full, [one]).problems
    expect(problem).toMatchObject({ severity: 'error', code: 'INCONSISTENT', message: expect.stringMatching(/b\.0000|log backup a/) })
  })

  it('takes a log that begins before the full, which was made while logs went on, from the position of the full', () => {
    const begun = log('a', position('b.000007', '4'), position('b.000011', '4'), [
      { binlog: 'b.000007', from: 0, to: 500 },
      { binlog: 'b.000008', from: 0, to: 379 },
      { binlog: 'b.000009', from: 0, to: 900, identity: 'i9' },
      { binlog: 'b.000010', from: 0, to: 700 },
    ])
    const chain = readLogChain(full, [begun])
    expect(chain.problems).toEqual([])
    expect(places(chain)).toEqual([
      ['b.000009', 379, 900],
      ['b.000010', 0, 700],
    ])
    const atItsEnd = backup({ position: position('b.000011', '4') })
    expect(readLogChain(atItsEnd, [begun])).toMatchObject({ problems: [], files: [] })
    const other = backup({ ...full, position: position('other.000009', '379') })
    expect(readLogChain(other, [begun]).problems).toHaveLength(1)
  })
})
