import { expect, it } from 'vitest'
import { logRestoreGuide } from './log-restore-guide.ts'

const server = { flavour: 'mariadb', version: '10.11.18-MariaDB' } as const
const position = (file: string, offset: string) => ({ chain: 'c', value: { file, offset, gtid: '' } })
const from = (file: string, offset: string) => ({ from: position(file, offset), to: position('b.000011', '4') })
const whole = (binlog: string) => ({ file: binlog, binlog, from: 0, to: 9000, bytes: 9000 })

it('names every file as the shell must read it, and the place to begin at', () => {
  const guide = logRestoreGuide(
    server,
    from('b.000009', '379'),
    [whole('b.000009'), whole("b'; rm -rf $(x).000010")],
    '2026-01-01T00:00:00Z',
  )
  expect(guide).toContain("files=(\\\n  './b.000009' \\\n  './b'\\''; rm -rf $(x).000010' )")
  expect(guide).toMatch(/mariadb-binlog --start-position=379 "\$\{files\[@\]\}" \| mariadb --binary-mode/)
})

it('begins at the beginning of a part that holds nothing from before', () => {
  const part = { file: 'b.000009.000000000379', binlog: 'b.000009', from: 379, to: 900, bytes: 777 }
  expect(logRestoreGuide(server, from('b.000009', '379'), [part], '')).toContain('--start-position=4 ')
  expect(logRestoreGuide(server, from('b.000009', '379'), [{ ...whole('b.000009'), file: 'b.000009.000000000000' }], '')).toContain(
    '--start-position=379 ',
  )
  expect(logRestoreGuide({ ...server, flavour: 'mysql' }, from('b.1', '4'), [whole('b.1')], '')).toContain('mysqlbinlog --skip-gtids ')
  expect(logRestoreGuide(server, from('b.1', '4'), [], '')).toMatch(/ends at file `b\.1`, offset 4, [\s\S]*nothing to replay/)
})

it('says of every file what it holds, and what an offset of the server is in it', () => {
  const part = { file: 'b.000009.000000000379', binlog: 'b.000009', from: 379, to: 900, bytes: 777 }
  const guide = logRestoreGuide(server, from('b.000009', '379'), [part, whole('b.000010')], '')
  expect(guide).toContain('from file `b.000009`, offset 379, to file `b.000011`, offset 4')
  expect(guide).toContain('| `b.000009.000000000379` | `b.000009` | 379 | 900 | 123 |\n| `b.000010` | `b.000010` | 0 | 9000 | 0 |\n')
})
