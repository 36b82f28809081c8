import type { CommandRunner } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { backupToolFor, parseToolVersion, readToolVersion, versionProblem } from './backup-tool.ts'
import { physicalSettingsSchema } from './physical-settings.ts'

const mariadb = 'mariadb-backup based on MariaDB server 10.11.6-MariaDB debian-linux-gnu (x86_64)\n'
const older = 'mariabackup based on MariaDB server 10.4.34-MariaDB Linux (x86_64)\n'
const percona =
  'xtrabackup: recognized server arguments: --datadir=/x\nxtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 6beb4b49)\n'
const percona24 = 'xtrabackup version 2.4.29 based on MySQL server 5.7.44 Linux (x86_64) (revision id: 2e6c0951)\n'

function says(text: string, stream: 'stdout' | 'stderr' = 'stdout'): CommandRunner {
  return {
    run: async () => ({ exitCode: 0, signal: null, stdout: '', stderr: '', stdoutOmittedBytes: 0, stdoutEnded: true, [stream]: text }),
  }
}

describe('the tool for a server', () => {
  it('is that of its flavour, unless the settings name another', () => {
    expect(backupToolFor('mariadb')).toMatchObject({
      family: 'mariadb-backup',
      backup: 'mariadb-backup',
      stream: 'mbstream',
      format: 'mbstream',
    })
    for (const flavour of ['mysql', 'percona'] as const) {
      expect(backupToolFor(flavour)).toMatchObject({ family: 'xtrabackup', backup: 'xtrabackup', stream: 'xbstream', format: 'xbstream' })
    }
    const settings = physicalSettingsSchema.parse({ backupTool: '/opt/bin/xtrabackup', streamTool: '/opt/bin/xbstream' })
    expect(backupToolFor('mysql', settings)).toMatchObject({
      backup: '/opt/bin/xtrabackup',
      stream: '/opt/bin/xbstream',
      format: 'xbstream',
    })
  })

  it('says its version, on either output', async () => {
    expect(parseToolVersion(mariadb)).toEqual({ family: 'mariadb-backup', own: '10.11.6', server: [10, 11, 6] })
    expect(parseToolVersion(older)).toMatchObject({ own: '10.4.34' })
    expect(parseToolVersion(percona)).toEqual({ family: 'xtrabackup', own: '8.0.35-30', server: [8, 0, 35] })
    expect(parseToolVersion(percona24)).toEqual({ family: 'xtrabackup', own: '2.4.29', server: [5, 7, 44] })
    expect(parseToolVersion('tar (GNU tar) 1.34')).toBeUndefined()
    expect(await readToolVersion(backupToolFor('percona'), {}, says(percona, 'stderr'))).toMatchObject({ own: '8.0.35-30' })
  })

  it.each([
    [mariadb, '10.11.6-MariaDB-log', undefined],
    [mariadb, '10.11.18-MariaDB-0+deb12u1', undefined],
    [mariadb, '10.6.16-MariaDB', '10.6'],
    [mariadb, '11.4.2-MariaDB', '11.4'],
    [percona, '8.0.35', undefined],
    [percona, '8.0.30-22', undefined],
    [percona, '8.0.36', 'at least 8.0.36'],
    [percona, '8.4.0', '8.4'],
    [percona, '5.7.44-log', '5.7'],
    [percona24, '5.7.44-log', undefined],
    [percona24, '8.0.35', '8.0'],
  ])('%s may copy %s: %s', (text, server, wanted) => {
    const version = parseToolVersion(text)
    if (version === undefined) throw new Error('the version is not understood')
    const problem = versionProblem(version, server)
    if (wanted === undefined) expect(problem).toBeUndefined()
    else expect(problem?.hint).toContain(wanted)
  })

  it('is refused when it is of the other flavour, or something else', async () => {
    await expect(readToolVersion(backupToolFor('mysql'), {}, says(mariadb))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('xtrabackup is needed'),
    })
    await expect(readToolVersion(backupToolFor('mariadb'), {}, says('hello'))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    await expect(readToolVersion({ ...backupToolFor('mariadb'), backup: '/nowhere/mariadb-backup' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})
