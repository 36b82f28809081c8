import { BackupError } from '@backup-planet/core'
import { type WrittenBackup, type WrittenLsn, writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lsnOf } from '../lsn.ts'
import { anyMedium, differentialBackup, fullBackup, ids, logBackup, sourceOf } from './__fixtures__/written-media.ts'
import type { BackupFileFacts } from './backup-file-facts.ts'
import { inspectBackupFile, readBackupFile } from './inspect-backup-file.ts'

function write(...backups: readonly WrittenBackup[]): Buffer {
  return writeBackupFiles({ backups })[0] ?? Buffer.alloc(0)
}

function number([virtualLogFile, block, slot]: WrittenLsn): bigint {
  return lsnOf({ virtualLogFile, block, slot })
}

describe('what is no readable backup', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 'the file is empty'],
    ['zeros', Buffer.alloc(8192), 'zeros only'],
    ['one byte', Buffer.from('T'), 'instead of TAPE'],
    ['text', Buffer.from('BACKUP DATABASE shop TO DISK'), 'looks like text'],
    ['gzip', Buffer.from('1f8b0800000000000003', 'hex'), 'a gzip file'],
    ['zip', Buffer.from('504b03041400', 'hex'), 'a zip file'],
    ['a data file', Buffer.concat([Buffer.from('010f0000', 'hex'), Buffer.alloc(8188)]), 'a data file of SQL Server'],
  ])('%s is named', async (_, bytes, named) => {
    const { format, facts, findings } = await inspectBackupFile(sourceOf(bytes))
    expect({ format, facts }).toEqual({ format: 'foreign', facts: undefined })
    expect(findings).toMatchObject([{ severity: 'error', code: 'INVALID_INPUT', message: expect.stringContaining(named) }])
    await expect(readBackupFile(sourceOf(bytes))).rejects.toMatchObject({ code: 'INVALID_INPUT', hint: expect.stringContaining('BACKUP') })
  })

  it('the tape of another program is named', async () => {
    const [bytes = Buffer.alloc(0)] = writeBackupFiles({ backups: [], software: 'Microsoft Windows Backup Utility' })
    const cut = await inspectBackupFile(sourceOf(bytes))
    expect(cut.findings).toMatchObject([{ code: 'CORRUPTED', message: expect.stringContaining('before any backup set') }])
    const foreignSet = withoutDescriptions(writeBackupFiles({ backups: [fullBackup()], software: 'NTBackup' })[0])
    expect(await inspectBackupFile(sourceOf(foreignSet))).toMatchObject({
      format: 'foreign',
      findings: [{ code: 'INVALID_INPUT', message: 'no backup file of SQL Server: it was written by "NTBackup"' }],
    })
  })

  it('a compressed one has no names, and is whole with the mark at its end', async () => {
    const [plain = Buffer.alloc(0)] = writeBackupFiles({ backups: [fullBackup()] })
    const bytes = Buffer.concat([
      Buffer.from('MSSQLBAK'),
      Buffer.alloc(1016),
      plain.subarray(1024, 1536),
      Buffer.alloc(9000, 7),
      plain.subarray(-512),
    ])
    const whole = await inspectBackupFile(sourceOf(bytes))
    expect(whole).toMatchObject({ format: 'compressed', findings: [{ severity: 'warning', code: 'UNSUPPORTED' }] })
    await expect(readBackupFile(sourceOf(bytes))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      hint: expect.stringContaining('HEADERONLY'),
    })
    for (const length of [8, 512, 1024, 1536, 2048, bytes.length - 512, bytes.length - 1]) {
      const { findings } = await inspectBackupFile(sourceOf(bytes.subarray(0, length)))
      expect(findings[0], `cut to ${length}`).toMatchObject({
        severity: 'error',
        code: 'CORRUPTED',
        message: expect.stringContaining('truncated'),
      })
    }
  })
})

/** The bytes with the letters of the blocks that SQL Server adds changed to those of a block that nobody knows; the checksums stay right. */
function withoutDescriptions(bytes: Buffer = Buffer.alloc(0)): Buffer {
  const changed = Buffer.from(bytes)
  for (let offset = 0; offset < changed.length; offset += 512) {
    const type = changed.toString('latin1', offset, offset + 4)
    if (type !== 'MSCI' && type !== 'MSLS') continue
    for (const at of [offset, offset + 50]) changed[at] = (changed[at] ?? 0) ^ 0x07
  }
  return changed
}

describe('backup files', () => {
  it('say what they hold', async () => {
    const facts = await readBackupFile(sourceOf(write(fullBackup({ name: 'nightly', timeZone: -16, flags: 0x410 }))))
    expect(facts).toMatchObject({
      complete: true,
      media: { stripe: 1, stripes: 1, mirrors: 1, hasPassword: false, software: 'Microsoft SQL Server' },
      sets: [
        {
          position: 1,
          name: 'nightly',
          user: 'DOMAIN\\backup',
          setGuid: ids.fullSet,
          utcOffsetMinutes: -240,
          isFinal: true,
          backup: {
            kind: 'D',
            database: 'shop',
            server: 'SQL01\\PROD',
            softwareVersion: '15.0.4415',
            databaseVersion: 904,
            createdAt: '2023-01-31T08:09:10',
            startedAt: '2024-05-02T21:00:55',
            finishedAt: '2024-05-02T21:00:57',
            firstLsn: 39000000048800071n,
            lastLsn: 39000000051800001n,
            databaseBackupLsn: 0n,
            familyGuid: ids.family,
            isCopyOnly: true,
            hasChecksums: true,
            isDamaged: false,
            backupBytes: 19_384,
            recoveryModel: 'full',
            fileGroups: [{ id: 1, name: 'PRIMARY' }],
            files: [
              { fileId: 1, kind: 'data', logicalName: 'shop', physicalName: 'C:\\Data\\shop.mdf', bytes: 8_388_608, backupBytes: 16_384 },
              { fileId: 2, kind: 'log', logicalName: 'shop_log' },
            ],
          },
        },
      ],
    })
    expect(facts.sets[0]?.backup).not.toHaveProperty('differentialBaseLsn')
  })

  it('of several backups are read set by set', async () => {
    const facts = await readBackupFile(sourceOf(write(fullBackup(), differentialBackup(), logBackup())))
    expect(facts.sets.map(({ position, backup }) => [position, backup?.kind])).toEqual([
      [1, 'D'],
      [2, 'I'],
      [3, 'L'],
    ])
    expect(facts.sets[1]?.backup).toMatchObject({ differentialBaseLsn: 39000000048800071n, differentialBaseGuid: ids.fullSet })
  })

  it('give back all that was written, on every alignment, in every stripe', async () => {
    await fc.assert(
      fc.asyncProperty(anyMedium, async (medium) => {
        for (const [index, bytes] of writeBackupFiles(medium).entries()) {
          const { format, facts, findings } = await inspectBackupFile(sourceOf(bytes))
          expect({ format, errors: findings.filter(({ severity }) => severity === 'error') }).toEqual({ format: 'tape', errors: [] })
          expect(facts?.complete).toBe(true)
          expectWritten(facts, medium, index + 1)
        }
      }),
      { numRuns: 25 },
    )
  })

  it('are read without their pages', async () => {
    const pages = Buffer.alloc(8192 * 200, 1)
    const [file] = fullBackup().files
    const source = sourceOf(write(fullBackup({ files: file === undefined ? [] : [{ ...file, pages }] })))
    await readBackupFile(source)
    expect(source.bytesRead).toBeLessThan(64 * 1024)
    expect(source.reads).toBeLessThan(8)
  })

  it('may have zeros behind their end, and nothing else', async () => {
    const bytes = write(fullBackup())
    expect(await inspectBackupFile(sourceOf(Buffer.concat([bytes, Buffer.alloc(4096)])))).toMatchObject({
      facts: { complete: true },
      findings: [],
    })
    for (const more of [Buffer.alloc(70_000), Buffer.alloc(512, 1), Buffer.from('TAP')]) {
      expect(await inspectBackupFile(sourceOf(Buffer.concat([bytes, more])))).toMatchObject({
        facts: { complete: false },
        findings: [{ code: 'CORRUPTED' }],
      })
    }
  })

  it('tell when what is not covered by checksums contradicts itself', async () => {
    const bytes = write(fullBackup())
    for (const [name, was, becomes] of [
      ['database', 'shop', 'ship'],
      ['server', 'SQL01\\PROD', 'SQL02\\PROD'],
    ] as const) {
      const changed = Buffer.from(bytes)
      const at = changed.lastIndexOf(Buffer.from(was, 'utf16le'), changed.lastIndexOf(Buffer.from('SFGI')))
      Buffer.from(becomes, 'utf16le').copy(changed, at)
      const { findings } = await inspectBackupFile(sourceOf(changed))
      expect(findings).toMatchObject([
        { severity: 'warning', code: 'CORRUPTED', message: expect.stringContaining(`says ${name} ${JSON.stringify(was)}`) },
      ])
    }
  })

  it('tell when a fact stands in one of their descriptions only', async () => {
    const changed = write(fullBackup())
    changed[changed.indexOf('SCIN') + 0xc8] = 1
    const { findings } = await inspectBackupFile(sourceOf(changed))
    const told = 'set 1 says databaseBackupGuid "00000001-0000-0000-0000-000000000000" at its beginning and none at its end'
    expect(findings).toMatchObject([{ severity: 'warning', message: told }])
  })

  it('of a damaged database are told', async () => {
    const { findings } = await inspectBackupFile(sourceOf(write(fullBackup({ flags: 0x20 }))))
    expect(findings).toMatchObject([{ severity: 'warning', message: expect.stringContaining('although the database was damaged') }])
  })

  it('stop being read when the caller aborts', async () => {
    const signal = AbortSignal.abort()
    const source = sourceOf(write(fullBackup()))
    await expect(inspectBackupFile(source, { signal })).rejects.toSatisfy((error) => BackupError.is(error) && error.code === 'ABORTED')
    expect(source.reads).toBe(0)
  })

  it('are not blamed for a source that fails', async () => {
    const failing = { size: 4096, read: () => Promise.reject(new BackupError('gone', { code: 'UNREACHABLE' })) }
    await expect(inspectBackupFile(failing)).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})

function expectWritten(facts: BackupFileFacts | undefined, medium: Parameters<typeof writeBackupFiles>[0], stripe: number): void {
  expect(facts?.media).toMatchObject({
    stripe,
    stripes: medium.stripes,
    mediaSetId: medium.mediaSetId,
    name: medium.name,
    description: medium.description,
    hasPassword: medium.hasPassword,
    createdAt: medium.createdAt,
  })
  expect(facts?.sets).toHaveLength(medium.backups.length)
  for (const [index, written] of medium.backups.entries()) {
    const set = facts?.sets[index]
    expect(set).toMatchObject({
      position: index + 1,
      setGuid: written.setGuid,
      name: written.name,
      description: written.description,
      user: written.user,
      hasPassword: written.hasPassword,
      writtenAt: written.startedAt,
    })
    expect(set?.utcOffsetMinutes).toBe(written.timeZone === 127 ? undefined : 15 * (written.timeZone ?? 0))
    expect(set?.backup).toMatchObject({
      kind: written.kind,
      database: written.database,
      server: written.server,
      softwareVersion: written.softwareVersion?.join('.'),
      databaseVersion: written.databaseVersion,
      createdAt: written.createdAt,
      startedAt: written.startedAt,
      finishedAt: written.finishedAt,
      firstLsn: number(written.firstLsn),
      lastLsn: number(written.lastLsn),
      checkpointLsn: number(written.checkpointLsn),
      recoveryModel: written.simpleRecovery ? 'simple' : 'full',
      fileGroups: written.fileGroups?.map((name, at) => ({ id: at + 1, name })),
      files: written.files.map(({ pages, ...file }) => ({ ...file, backupBytes: pages?.length })),
    })
    const lsns = { differentialBaseLsn: written.differentialBaseLsn, forkPointLsn: written.forkPointLsn }
    for (const [name, lsn] of Object.entries(lsns)) {
      const expected = lsn === undefined || number(lsn) === 0n ? undefined : number(lsn)
      expect(set?.backup?.[name as keyof typeof lsns]).toBe(expected)
    }
    for (const name of ['familyGuid', 'recoveryForkId', 'firstRecoveryForkId', 'databaseBackupGuid', 'differentialBaseGuid'] as const) {
      expect(set?.backup?.[name]).toBe(written[name])
    }
  }
}
