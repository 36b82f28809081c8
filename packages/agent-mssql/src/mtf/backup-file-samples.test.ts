import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { headerPlaces } from './__fixtures__/header-places.ts'
import { sourceOf } from './__fixtures__/written-media.ts'
import type { BackupSetFacts, DatabaseBackupFacts } from './backup-file-facts.ts'
import { openBackupFile } from './backup-file-source.ts'
import { inspectBackupFile, readBackupFile } from './inspect-backup-file.ts'
import { verifyBackupFiles } from './verify-backup-files.ts'

const fixtures = join(process.env.BACKUP_PLANET_FIXTURES ?? resolve(import.meta.dirname, '../../../../../shared/fixtures'), 'sqlserver')

async function onlySet(name: string): Promise<BackupSetFacts & { readonly backup: DatabaseBackupFacts }> {
  await using file = await openBackupFile(join(fixtures, name))
  const { sets, complete } = await readBackupFile(file)
  expect({ complete, sets: sets.length }, name).toEqual({ complete: true, sets: 1 })
  const [set] = sets
  if (set?.backup === undefined) throw new TypeError(`${name} has no backup`)
  return { ...set, backup: set.backup }
}

const [of2008, of2016] = ['WIN-JNMR8KM0U3B\\SQL2008R2SP2', 'WIN-JNMR8KM0U3B\\SQL2016']

const samples = [
  ['doublediff_full_2008r2.bak', 'D', 'doublediff', of2008, '10.50.1600', '2018-12-21T11:26:31'],
  ['doublediff_diff1_2008r2.bak', 'I', 'doublediff', of2008, '10.50.1600', '2018-12-21T11:26:31'],
  ['doublediff_diff2_2008r2.bak', 'I', 'doublediff', of2008, '10.50.1600', '2018-12-21T11:26:31'],
  ['rtc2016_full.bak', 'D', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:00:55'],
  ['rtc2016_log1.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:05:55'],
  ['rtc2016_log2.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:10:56'],
  ['rtc2016_log3.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:15:56'],
  ['rtc2016_diff.bak', 'I', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:15:56'],
  ['rtc2016_log4.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:20:56'],
  ['rtc2016_log5.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:25:56'],
  ['rtc2016_log6.trn', 'L', 'RestoreTimeClean', of2016, '13.0.5081', '2019-05-02T21:30:56'],
] as const

describe.skipIf(!existsSync(fixtures))('published backup files', () => {
  it.each(samples)('%s is a %s of %s on %s', async (name, kind, database, server, softwareVersion, finishedAt) => {
    const { backup, position } = await onlySet(name)
    expect(position).toBe(1)
    expect(backup).toMatchObject({
      kind,
      database,
      server,
      softwareVersion,
      startedAt: finishedAt,
      finishedAt,
      hasChecksums: false,
      isCopyOnly: false,
    })
    expect(backup.files.map((file) => [file.fileId, file.kind])).toEqual([
      [1, 'data'],
      [2, 'log'],
    ])
    expect(backup.fileGroups).toEqual([{ id: 1, name: 'PRIMARY' }])
  })

  it('are all named here, and none is found damaged', async () => {
    const names = readdirSync(fixtures).filter((name) => /\.(bak|trn)$/.test(name))
    expect(names).toEqual(expect.arrayContaining(samples.map(([name]) => name)))
    for (const name of names) {
      await using source = await openBackupFile(join(fixtures, name))
      const findings = await verifyBackupFiles([{ name, source }])
      expect(
        findings.filter(({ code }) => code !== 'UNSUPPORTED'),
        name,
      ).toEqual([])
    }
  })

  it('make a chain of a full, a differential and six logs', async () => {
    const full = await onlySet('rtc2016_full.bak')
    const differential = await onlySet('rtc2016_diff.bak')
    const logs = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => onlySet(`rtc2016_log${number}.trn`)))
    expect(differential.backup.differentialBaseGuid).toBe(full.setGuid)
    expect(differential.backup.differentialBaseLsn).toBe(full.backup.checkpointLsn)
    expect(differential.backup.databaseBackupLsn).toBe(full.backup.checkpointLsn)
    expect(logs[0]?.backup.firstLsn).toBeLessThanOrEqual(full.backup.lastLsn)
    expect(logs[0]?.backup.lastLsn).toBeGreaterThan(full.backup.lastLsn)
    for (const [index, { backup }] of logs.entries()) {
      if (index > 0) expect(backup.firstLsn).toBe(logs[index - 1]?.backup.lastLsn)
      expect(backup.databaseBackupLsn).toBe(full.backup.checkpointLsn)
      expect(backup.databaseBackupGuid).toBe(full.setGuid)
      expect(backup.recoveryForkId).toBe(full.backup.recoveryForkId)
      expect(backup.familyGuid).toBe(full.backup.familyGuid)
    }
    // The database was restored once: its first fork is what its family is named after.
    expect(full.backup.firstRecoveryForkId).toBe(full.backup.familyGuid)
    expect(full.backup.recoveryModel).toBe('full')
  })

  it('tell that two differentials follow one full, to which they are both complete', async () => {
    const full = await onlySet('doublediff_full_2008r2.bak')
    for (const name of ['doublediff_diff1_2008r2.bak', 'doublediff_diff2_2008r2.bak']) {
      const { backup } = await onlySet(name)
      expect(backup.differentialBaseGuid).toBe(full.setGuid)
      expect(backup.differentialBaseLsn).toBe(full.backup.checkpointLsn)
    }
  })

  it('compressed by the server, are known as such, whole or cut', async () => {
    const bytes = readFileSync(join(fixtures, 'tutorialdb_full_compressed.bak'))
    const whole = await inspectBackupFile(sourceOf(bytes))
    expect(whole).toMatchObject({ format: 'compressed', findings: [{ severity: 'warning', code: 'UNSUPPORTED' }] })
    await expect(readBackupFile(sourceOf(bytes))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    for (const length of [4096, 454_144, 454_656, bytes.length - 512, bytes.length - 1]) {
      const { findings } = await inspectBackupFile(sourceOf(bytes.subarray(0, length)))
      expect(findings[0], `cut to ${length}`).toMatchObject({ severity: 'error', code: 'CORRUPTED' })
    }
  })

  it('are truncated wherever they are cut', async () => {
    for (const name of ['rtc2016_log1.trn', 'doublediff_full_2008r2.bak']) {
      const bytes = readFileSync(join(fixtures, name))
      for (let length = 512; length < bytes.length; length += name.endsWith('trn') ? 512 : 10_240) {
        const { findings } = await inspectBackupFile(sourceOf(bytes.subarray(0, length)))
        expect(findings[0], `${name} cut to ${length}`).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('truncated') })
      }
    }
  })

  it('are damaged whichever byte of a header is changed', async () => {
    const bytes = readFileSync(join(fixtures, 'doublediff_diff1_2008r2.bak'))
    for (const { offset, length, what } of await headerPlaces(bytes)) {
      for (let at = offset; at < offset + length; at++) {
        const byte = bytes[at] ?? 0
        bytes[at] = byte ^ (1 << (at % 8))
        const { findings } = await inspectBackupFile(sourceOf(bytes))
        bytes[at] = byte
        expect(findings[0]?.severity, `byte ${at}, in ${what} at ${offset}`).toBe('error')
      }
    }
  })
})
