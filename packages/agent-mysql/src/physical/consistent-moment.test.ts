import { describe, expect, it } from 'vitest'
import { consistentMoment, type MomentSample } from './consistent-moment.ts'

const sample = (second: number, offset: string): MomentSample => ({
  time: `2026-01-01T00:00:0${second}.000Z`,
  position: { file: 'binlog.000001', offset, gtid: '' },
})
const position = { file: 'binlog.000001', offset: '200', gtid: '' }

describe('the moment of a copy', () => {
  it('lies between two samples at its position', () => {
    expect(consistentMoment([sample(1, '100'), sample(2, '200'), sample(3, '200'), sample(4, '300')], position)).toBe(
      '2026-01-01T00:00:03.000Z',
    )
  })

  it('is right before the only sample at its position, and else when the lock was taken', () => {
    expect(consistentMoment([sample(1, '100'), sample(2, '200'), sample(3, '300')], position)).toBe('2026-01-01T00:00:02.000Z')
    expect(consistentMoment([sample(1, '100'), sample(3, '300')], position)).toBe('2026-01-01T00:00:01.000Z')
    expect(consistentMoment([], position)).toBeUndefined()
  })

  it('is when the lock was taken, without a binlog', () => {
    expect(consistentMoment([{ time: '2026-01-01T00:00:01.000Z', position: undefined }], undefined)).toBe('2026-01-01T00:00:01.000Z')
  })
})
