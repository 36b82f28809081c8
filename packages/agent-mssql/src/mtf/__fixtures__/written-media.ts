import type { WrittenBackup, WrittenMedium } from '@backup-planet/tooling/mtf-writer'
import fc from 'fast-check'
import type { BackupFileSource } from '../backup-file-source.ts'

export const ids = {
  family: 'E4B9B1B7-255C-4866-AF1F-EB4A29E8C2C9',
  binding: 'EDAD2FA4-C5A4-4ACD-8AD6-7386C2260D5D',
  fork: '6D3A541D-31C4-4207-975E-917419133822',
  fullSet: 'C6C44151-8A2C-4C6C-9BF5-2E02090C8EBC',
  media: '9CADEB64-A112-406F-BAE9-146FFF128A9B',
} as const

/** A full backup of one small database; the fields given replace its own. */
export function fullBackup(fields: Partial<WrittenBackup> = {}): WrittenBackup {
  return {
    kind: 'D',
    database: 'shop',
    server: 'SQL01\\PROD',
    setGuid: ids.fullSet,
    startedAt: '2024-05-02T21:00:55',
    finishedAt: '2024-05-02T21:00:57',
    createdAt: '2023-01-31T08:09:10',
    firstLsn: [39, 488, 71],
    lastLsn: [39, 518, 1],
    checkpointLsn: [39, 488, 71],
    familyGuid: ids.family,
    bindingId: ids.binding,
    recoveryForkId: ids.fork,
    files: [
      {
        fileId: 1,
        kind: 'data',
        logicalName: 'shop',
        physicalName: 'C:\\Data\\shop.mdf',
        bytes: 8_388_608,
        pages: Buffer.alloc(16_384, 1),
      },
      { fileId: 2, kind: 'log', logicalName: 'shop_log', physicalName: 'C:\\Data\\shop_log.ldf', bytes: 1_048_576 },
    ],
    log: Buffer.alloc(3_000, 2),
    ...fields,
  }
}

export function differentialBackup(fields: Partial<WrittenBackup> = {}): WrittenBackup {
  return fullBackup({
    kind: 'I',
    setGuid: 'A62C00AF-C30B-41E9-B2CD-ED06E068EDE7',
    firstLsn: [39, 595, 1],
    lastLsn: [39, 598, 1],
    checkpointLsn: [39, 595, 1],
    databaseBackupLsn: [39, 488, 71],
    databaseBackupGuid: ids.fullSet,
    differentialBaseLsn: [39, 488, 71],
    differentialBaseGuid: ids.fullSet,
    ...fields,
  })
}

export function logBackup(fields: Partial<WrittenBackup> = {}): WrittenBackup {
  return fullBackup({
    kind: 'L',
    setGuid: '0F4A2C11-6B0E-4B43-9D4A-0B0F4A4DAB11',
    firstLsn: [39, 474, 1],
    lastLsn: [39, 541, 1],
    databaseBackupLsn: [39, 488, 71],
    databaseBackupGuid: ids.fullSet,
    ...fields,
  })
}

/** Bytes as a file, which tells what was read of it. */
export interface CountedSource extends BackupFileSource {
  readonly bytesRead: number
  readonly reads: number
}

export function sourceOf(bytes: Uint8Array): CountedSource {
  const count = { bytes: 0, reads: 0 }
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.length)
        throw new RangeError(`${length} bytes at ${offset} of ${bytes.length}`)
      count.bytes += length
      count.reads++
      return Promise.resolve(bytes.subarray(offset, offset + length))
    },
    get bytesRead() {
      return count.bytes
    },
    get reads() {
      return count.reads
    },
  }
}

const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', maxLength }).filter((name) => !name.endsWith('\0'))
const word = fc.integer({ min: 0, max: 0xffff_ffff })
const lsn = fc.tuple(word, word, fc.integer({ min: 0, max: 0xffff }))
const guid = fc.uuid().map((id) => id.toUpperCase())
const moment = fc
  .date({ min: new Date('1990-01-01T00:00:00Z'), max: new Date('2199-12-31T23:59:59Z'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 19))
const file = fc.record({
  fileId: word,
  fileGroupId: word,
  kind: fc.constantFrom('data' as const, 'log' as const),
  logicalName: text(40),
  physicalName: text(120),
  bytes: fc.nat(),
  pages: fc.integer({ min: 0, max: 3 }).map((pages) => Buffer.alloc(pages * 8192, 3)),
  uniqueId: guid,
})

const backup: fc.Arbitrary<WrittenBackup> = fc.record({
  kind: fc.constantFrom('D', 'I', 'L', 'F', 'G', 'P', 'Q'),
  database: text(60),
  server: text(60),
  setGuid: guid,
  name: text(60),
  description: text(60),
  user: text(40),
  hasPassword: fc.boolean(),
  timeZone: fc.integer({ min: -56, max: 127 }),
  softwareVersion: fc.tuple(fc.integer({ min: 8, max: 17 }), fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 0xffff })),
  databaseVersion: fc.integer({ min: 0, max: 0xffff }),
  createdAt: moment,
  startedAt: moment,
  finishedAt: moment,
  flags: fc.constantFrom(0, 0x10, 0x410, 0x31),
  simpleRecovery: fc.boolean(),
  firstLsn: lsn,
  lastLsn: lsn,
  checkpointLsn: lsn,
  databaseBackupLsn: lsn,
  differentialBaseLsn: lsn,
  forkPointLsn: lsn,
  familyGuid: guid,
  recoveryForkId: guid,
  firstRecoveryForkId: guid,
  databaseBackupGuid: guid,
  differentialBaseGuid: guid,
  fileGroups: fc.array(text(30), { maxLength: 4 }),
  files: fc.array(file, { maxLength: 5 }),
  log: fc.integer({ min: 0, max: 5000 }).map((bytes) => Buffer.alloc(bytes, 4)),
})

export const anyMedium: fc.Arbitrary<WrittenMedium> = fc.record({
  backups: fc.array(backup, { minLength: 1, maxLength: 4 }),
  alignment: fc.constantFrom(512, 4096, 8192),
  stripes: fc.integer({ min: 1, max: 3 }),
  mediaSetId: guid,
  name: text(40),
  description: text(40),
  hasPassword: fc.boolean(),
  createdAt: moment,
})
