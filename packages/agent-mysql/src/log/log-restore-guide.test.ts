import { expect, it } from 'vitest'
import { logRestoreGuide } from './log-restore-guide.ts'

const server = { flavour: 'mariadb', version: '10.11.18-MariaDB' } as const
const from = (file: string, offset: string) => ({ chain: 'c', value: { file, offset, gtid: '' } })

it('names every file as the shell must read it, and the place to begin at', () => {
  const guide = logRestoreGuide(server, from('b.000009', '379'), ['b.000009', "b'; rm -rf $(x).000010"], '2026-01-01T00:00:00Z')
  expect(guide).toContain("files=(\\\n  './b.000009' \\\n  './b'\\''; rm -rf $(x).000010' )")
  expect(guide).toMatch(/mariadb-binlog --start-position=379 "\$\{files\[@\]\}" \| mariadb --binary-mode/)
})

it('begins at the beginning of a part that holds nothing from before', () => {
  expect(logRestoreGuide(server, from('b.000009', '379'), ['b.000009.000000000379'], '')).toContain('--start-position=4 ')
  expect(logRestoreGuide(server, from('b.000009', '379'), ['b.000009.000000000000'], '')).toContain('--start-position=379 ')
  expect(logRestoreGuide({ ...server, flavour: 'mysql' }, from('b.1', '4'), ['b.1'], '')).toContain('mysqlbinlog --skip-gtids ')
  expect(logRestoreGuide(server, from('b.1', '4'), [], '')).toContain('nothing to replay')
})
