import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBackupInfo, parseBinlogInfo } from './backup-info.ts'

const checkpoints = 'backup_type = incremental\nfrom_lsn = 44744\nto_lsn = 989654\nlast_lsn = 989700\nrecover_binlog_info = 0\n'
const info = (position: string) =>
  `uuid = 1\ntool_name = mariadb-backup\nend_time = 2026-01-01 01:57:43\nlock_time = 0\n${position}innodb_from_lsn = 0\npartial = N\n`

describe('what the tool says of a copy', () => {
  it('is its LSNs and position', () => {
    expect(
      parseBackupInfo(checkpoints, info("binlog_pos = filename 'binlog.000001', position '639', GTID of the last change '0-1-2,1-5-77'\n")),
    ).toEqual({
      fromLsn: '44744',
      toLsn: '989654',
      lastLsn: '989700',
      position: { file: 'binlog.000001', offset: '639', gtid: '0-1-2,1-5-77' },
    })
  })

  it('may have a GTID set over several lines, or none', () => {
    const set =
      "binlog_pos = filename 'b.000002', position '157', GTID of the last change '3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,\n4E11FA47-71CA-11E1-9E33-C80AA9429562:1'\n"
    expect(parseBackupInfo(checkpoints, info(set)).position?.gtid).toBe(
      '3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,4E11FA47-71CA-11E1-9E33-C80AA9429562:1',
    )
    expect(parseBackupInfo(checkpoints, info("binlog_pos = filename 'b.000002', position '157'\n")).position).toEqual({
      file: 'b.000002',
      offset: '157',
      gtid: '',
    })
    expect(parseBackupInfo(checkpoints, info('binlog_pos = \n')).position).toBeUndefined()
    expect(parseBackupInfo(checkpoints, info('')).position).toBeUndefined()
  })

  it('is refused without LSNs', () => {
    for (const name of ['from_lsn', 'to_lsn', 'last_lsn']) {
      const without = checkpoints.replace(new RegExp(`^${name}.*\n`, 'm'), '')
      expect(() => parseBackupInfo(without, info(''))).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    }
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        try {
          parseBackupInfo(one, other)
        } catch (error) {
          expect(error).toMatchObject({ code: 'CORRUPTED' })
        }
      }),
    )
  })

  it('is the same in the copy itself', () => {
    expect(parseBinlogInfo('binlog.000001\t673549\t0-1-3\n')).toEqual({ file: 'binlog.000001', offset: '673549', gtid: '0-1-3' })
    expect(parseBinlogInfo('binlog.000001\t673549\n')).toEqual({ file: 'binlog.000001', offset: '673549', gtid: '' })
    expect(parseBinlogInfo('')).toBeUndefined()
    expect(parseBinlogInfo('binlog.000001\tx')).toBeUndefined()
  })
})
