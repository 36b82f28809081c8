import { expect, it } from 'vitest'
import { backupToolFor } from './backup-tool.ts'
import { physicalRestoreGuide } from './physical-restore-guide.ts'

it('leads on from the place of the data, which is another one in a part of a binlog', () => {
  const facts = { tool: backupToolFor('mariadb'), toolVersion: 'mariadb-backup 10.11.6', serverVersion: '10.11.6', consistentAt: '' }
  const guide = physicalRestoreGuide({ ...facts, position: { file: 'b.000009', offset: '379', gtid: '' } })
  expect(guide).toContain('mariadb-binlog --start-position=379 b.000009 … | mariadb --binary-mode')
  expect(guide).toContain('under "Where to begin", with FILE `b.000009` and OFFSET 379')
  expect(guide).toContain('`b.000009.` with an offset behind it')
  expect(physicalRestoreGuide(facts)).not.toContain('Later changes')
})
