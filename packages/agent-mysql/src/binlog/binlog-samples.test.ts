import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { BinlogScan, countEvents } from './binlog-scan.ts'

const fixtures = join(process.env.BACKUP_PLANET_FIXTURES ?? resolve(import.meta.dirname, '../../../../../shared/fixtures'), 'mysql')

function sample(name: string): Buffer {
  const bytes = readFileSync(join(fixtures, name))
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes
}

function scan(bytes: Uint8Array): ReturnType<BinlogScan['end']> {
  const scanned = new BinlogScan({ name: 'sample' })
  scanned.push(bytes)
  return scanned.end()
}

describe.skipIf(!existsSync(fixtures))('published binlogs', () => {
  it('of MySQL 5.5, statements and rows', () => {
    const bytes = sample('binlog_5.5.44_tiny')
    expect(countEvents('tiny', bytes)).toEqual({
      FORMAT_DESCRIPTION: 1,
      QUERY: 11,
      TABLE_MAP: 8,
      WRITE_ROWS_V1: 4,
      UPDATE_ROWS_V1: 2,
      DELETE_ROWS_V1: 2,
      XID: 8,
    })
    expect(scan(bytes)).toMatchObject({
      serverVersion: '5.5.44-log',
      bytes: 1904,
      to: 1904,
      ends: 'open',
      inUse: true,
      transactions: 11,
      checksum: 'none',
    })
  })

  it('of the load of sakila', () => {
    const bytes = sample('binlog_sakila.gz')
    expect(countEvents('sakila', bytes)).toEqual({ FORMAT_DESCRIPTION: 1, QUERY: 54, TABLE_MAP: 18, WRITE_ROWS_V1: 1374, XID: 15 })
    expect(scan(bytes)).toMatchObject({ serverVersion: '5.5.27-log', bytes: 1_445_714, ends: 'open', transactions: 53 })
  })

  it('of MySQL 5.7, with checksums', () => {
    const bytes = sample('binlog_checksum-crc32')
    expect(countEvents('crc32', bytes)).toEqual({
      FORMAT_DESCRIPTION: 1,
      PREVIOUS_GTIDS: 1,
      ANONYMOUS_GTID: 60,
      QUERY: 60,
      TABLE_MAP: 60,
      WRITE_ROWS: 34,
      UPDATE_ROWS: 20,
      DELETE_ROWS: 6,
      XID: 60,
      ROTATE: 1,
    })
    expect(scan(bytes)).toMatchObject({
      checksum: 'crc32',
      ends: 'rotate',
      next: 'mysql-bin.000002',
      transactions: 60,
      gtidBefore: '',
      gtidAfter: '',
    })
  })

  it('are damaged or open wherever they are cut', { timeout: 120_000 }, () => {
    const bytes = sample('binlog_5.5.44_tiny')
    for (let length = 0; length < bytes.length; length++) {
      try {
        expect(scan(bytes.subarray(0, length)), `cut to ${length} bytes`).toMatchObject({ ends: 'open', bytes: length })
      } catch (error) {
        expect(BackupError.is(error) && error.code, `cut to ${length} bytes: ${error}`).toBe('CORRUPTED')
      }
    }
  })

  it('are not whole wherever they are cut before their ROTATE', { timeout: 120_000 }, () => {
    const bytes = sample('binlog_checksum-crc32')
    for (let length = 0; length < bytes.length; length += 29) {
      try {
        expect(scan(bytes.subarray(0, length)).ends, `cut to ${length} bytes`).toBe('open')
      } catch (error) {
        expect(BackupError.is(error) && error.code, `cut to ${length} bytes: ${error}`).toBe('CORRUPTED')
      }
    }
  })

  it('show any changed byte where they have checksums', { timeout: 120_000 }, () => {
    const bytes = sample('binlog_checksum-crc32').subarray(0, 2765)
    expect(scan(bytes).transactions).toBe(5)
    for (let offset = 0; offset < bytes.length; offset++) {
      for (let flip = 1; flip < 256; flip = flip * 2 + (flip === 64 ? 1 : 0)) {
        const changed = Buffer.from(bytes)
        changed[offset] = (changed[offset] ?? 0) ^ flip
        // Only the flag that the server takes away when it closes the file is covered by no checksum.
        if (offset === 21 && flip === 1) expect(scan(changed).inUse).toBe(true)
        else expect(() => scan(changed), `byte ${offset} ^ ${flip}`).toThrow(BackupError)
      }
    }
  })
})
