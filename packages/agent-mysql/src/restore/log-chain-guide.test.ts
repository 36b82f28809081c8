import type { Backup, RestoreStop } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { logChainGuide } from './log-chain-guide.ts'

const position = (file: string, offset: number) => ({ chain: 'c', value: { file, offset: String(offset), gtid: '' } })

interface Part {
  readonly file: string
  readonly from: number
  readonly to: number
}

function backup(kind: Backup['kind'], id: string, at: Backup['position'], parts: readonly Part[] = [], from?: Backup['position']): Backup {
  const binlogs = parts.map(({ file, ...part }) => {
    const whole = part.from === 0
    return { file, binlog: file.split('.').slice(0, 2).join('.'), ...part, bytes: part.to - part.from + (whole ? 0 : 256), transactions: 1 }
  })
  return {
    format: 'backup-planet/manifest/1',
    id,
    kind,
    job: 'j',
    application: 'mysql',
    agent: { version: '1' },
    source: { id: 's', name: 's', version: '10.11.18-MariaDB' },
    status: 'complete',
    beganAt: '',
    consistentAt: '',
    endedAt: '',
    ...(at === undefined ? {} : { position: at }),
    ...(from === undefined ? {} : { from }),
    items: kind === 'log' ? [{ item: 'binlog', facts: { binlogs } }] : [],
    facts: { flavour: 'mariadb' },
    storage: {},
  }
}

const full = backup('full', 'f', position('b.000003', 900))
const part = backup(
  'log',
  'p',
  position('b.000003', 2000),
  [{ file: 'b.000003.000000000379', from: 379, to: 2000 }],
  position('b.000003', 379),
)
const next = backup(
  'log',
  'n',
  position('b.000004', 700),
  [
    { file: 'b.000003.000000002000', from: 2000, to: 3000 },
    { file: 'b.000004.000000000000', from: 0, to: 700 },
  ],
  position('b.000003', 2000),
)
const whole = backup('log', 'w', position('b.000005', 4), [{ file: 'b.000004', from: 0, to: 1500 }], position('b.000004', 700))

function scriptOf(backups: readonly Backup[], stop?: RestoreStop): string {
  const folders = backups.map(({ id }) => `folder-${id}`)
  const guide = logChainGuide({ backups, folders, ...(stop === undefined ? {} : { stop }) }) ?? ''
  return /```bash\nset -o pipefail\n([\s\S]*?)```/.exec(guide)?.[1] ?? guide
}
const call = (options: string, list = 'files') => `TZ=UTC mariadb-binlog ${options} "\${${list}[@]}"`
const client = ' | mariadb --binary-mode --max-allowed-packet=1G\n'

it('begins in the file that holds the end of the state, at the place in that very file', () => {
  const names = ['p/binlog/b.000003.000000000379', 'n/binlog/b.000003.000000002000', 'n/binlog/b.000004.000000000000']
  const list = names.map((name) => `\\\n  './folder-${name}' `).join('')
  // The part begins with 256 bytes of its binlog.
  expect(scriptOf([full, part, next])).toBe(`files=(${list})\n${call(`--start-position=${900 - 379 + 256}`)}${client}`)
})

it('begins a file late that is not the first by a call of its own', () => {
  const late = backup(
    'log',
    'l',
    position('b.000003', 3000),
    [{ file: 'b.000003.000000001500', from: 1500, to: 3000 }],
    position('b.000003', 1500),
  )
  expect(scriptOf([full, part, late])).toContain(
    `{ ${call('--start-position=777', 'files1')} &&\n  ${call(`--start-position=${2000 - 1500 + 256}`, 'files2')}; }${client}`,
  )
})

it('takes a binlog once that comes in parts and whole', () => {
  const script = scriptOf([full, part, next, whole])
  expect(script).not.toContain('b.000004.000000000000')
  expect(script).toContain(`'./folder-w/binlog/b.000004' )\n${call('--start-position=777')}${client}`)
})

it('ends where it is asked to', () => {
  const at = (offset: number, file = 'b.000003') => scriptOf([full, part, next], { position: position(file, offset) })
  expect(at(1200)).toBe(
    `files=(\\\n  './folder-p/binlog/b.000003.000000000379' )\n${call(`--start-position=777 --stop-position=${1200 - 123}`)}${client}`,
  )
  expect(at(2000)).toBe(`files=(\\\n  './folder-p/binlog/b.000003.000000000379' )\n${call('--start-position=777')}${client}`)
  expect(at(900)).toContain('nothing is to be replayed')
  expect(scriptOf([full, part], { before: '2026-01-01T10:00:00.700Z' })).toContain(
    `--start-position=777 --stop-datetime='2026-01-01 10:00:00' "`,
  )
  // A clock that was set back says nothing of what comes before the last backup.
  expect(scriptOf([full, part, next], { before: '2026-01-01T10:00:00Z' })).toContain(
    `{ ${call('--start-position=777', 'files1')} &&\n  ${call(`--start-position=4 --stop-datetime='2026-01-01 10:00:00'`, 'files2')}; }`,
  )
})

it('lets whoever reads it find a place that only the log knows, with a command that does nothing before', () => {
  const stop = { beforePosition: { chain: 'c', value: { gtid: '0-1-7' } } }
  expect(scriptOf([full, part], stop)).toContain('--stop-position=OFFSET')
  const guide = logChainGuide({ backups: [full, part], folders: ['a', 'b'], stop })
  expect(guide).toContain('write the place there instead of OFFSET')
})

it('gives no command where something is missing, and nothing where there is no log', () => {
  expect(scriptOf([full, next])).toContain('must not be replayed')
  expect(logChainGuide({ backups: [full], folders: ['a'] })).toBeUndefined()
})
