import { spawnSync } from 'node:child_process'
import type { Manifest } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { resticLocation, restoreGuideText } from './restore-guide.ts'

const manifest: Manifest = {
  format: 'backup-planet/manifest/1',
  id: '20260101T000000Z-abc123',
  job: 'shop',
  application: 'mysql',
  agent: { version: '1.0.0' },
  source: { id: '1', name: 'db', version: '11.8' },
  kind: 'full',
  status: 'complete',
  beganAt: '2026-01-01T00:00:00.000Z',
  consistentAt: '2026-01-01T00:00:05.000Z',
  endedAt: '2026-01-01T00:01:00.000Z',
  items: [],
  facts: {},
  storage: { format: 'restic/2' },
}

describe('the guide in a snapshot', () => {
  it('says what it is of and which commands bring it back', () => {
    const guide = restoreGuideText(manifest, 'file:///backups/shop', '## Load\n\nmyloader …\n')
    expect(guide).toContain('# Restore mysql backup 20260101T000000Z-abc123 by hand')
    expect(guide).toContain('shows the data as of 2026-01-01T00:00:05.000Z')
    expect(guide).toContain('export RESTIC_REPOSITORY=/backups/shop\n')
    expect(guide).toContain('restic restore latest --tag id=20260101T000000Z-abc123 --target unpacked')
    expect(guide).toContain('mv unpacked/mysql/db restored')
    expect(guide).toContain('myloader …')
    expect(guide).not.toContain('partial')
  })

  it('names what failed', () => {
    const items = [{ item: 'crm', facts: {}, failure: { code: 'APPLICATION', message: 'it is locked' } }] as const
    expect(restoreGuideText({ ...manifest, status: 'partial', items }, 'file:///x', '')).toMatch(/\*\*It is partial\.\*\*.*`crm`/)
  })

  it('says where the repository was, also where restic must be told more than that', () => {
    const guide = restoreGuideText(manifest, 's3://bucket/prefix', '')
    expect(guide).toContain('It was `s3://bucket/prefix` when this was written')
    expect(resticLocation('s3://bucket/prefix')).toBeUndefined()
    expect(resticLocation('file:///a%20b')).toBe('/a b')
  })

  it.skipIf(process.platform === 'win32')('has commands that mean the same to a shell, whatever the names are: bash is of POSIX', () => {
    const odd = { ...manifest, id: "$(touch x)'; echo 'y, 100%" }
    const guide = restoreGuideText(odd, 'file:///a%20b/$HOME/it%27s', '')
    const blocks = [...guide.matchAll(/```bash\n(.*?)\n```/gs)].map(([, block = '']) => block)
    expect(blocks).toHaveLength(2)
    const shell = `restic() { printf '%s\\n' "$RESTIC_REPOSITORY" "$@"; }; mv() { printf '%s\\n' "$@"; }; ${blocks.join('\n')}`
    const { stdout, status } = spawnSync('bash', ['-c', shell], { encoding: 'utf8' })
    expect(status).toBe(0)
    expect(stdout.trimEnd().split('\n')).toEqual([
      "/a b/$HOME/it's",
      ...['restore', 'latest', '--tag', "id=$(touch x)'; echo 'y%2C 100%25", '--target', 'unpacked'],
      ...['unpacked/mysql/db', 'restored'],
    ])
  })

  it('has no name that ends its paragraph or its code', () => {
    const source = { ...manifest.source, name: '`\n# Not a heading' }
    const guide = restoreGuideText({ ...manifest, source, job: 'a`b\u0007' }, 'memory://`\n```', '')
    expect(guide.split('\n').filter((line) => line.startsWith('# '))).toHaveLength(1)
    expect(guide.match(/^```/gm)).toHaveLength(4)
    expect(guide).toContain("`'\\n# Not a heading`")
  })
})
