import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareLsn, formatLsn, type LsnParts, lsnOf, parseLsn, partsOfLsn } from './lsn.ts'

const word = fc.integer({ min: 0, max: 0xffff_ffff })
const parts: fc.Arbitrary<LsnParts> = fc.record({ virtualLogFile: word, block: word, slot: fc.integer({ min: 0, max: 0xffff }) })

describe('LSNs', () => {
  it.each([
    ['', 'x', '-1', '1.0', '0x10', ' 1', '1 '],
    ['1'.repeat(26), '99999999999999999999999999', '4294967296000000000000000'],
    // A slot, and a block, that no log has.
    ['65536', '429496729600000'],
    ['00000044:00000063', '44:63:18', '0000004g:00000063:0018', '00000044:00000063:00018'],
  ])('are none of %j and the like', (...texts) => {
    for (const text of texts) expect(parseLsn(text), text).toBeUndefined()
  })

  it('have no parts where no log can have them', () => {
    expect(partsOfLsn(-1n)).toBeUndefined()
    expect(partsOfLsn(65_536n)).toBeUndefined()
    expect(partsOfLsn(10n ** 25n)).toBeUndefined()
  })

  it('are read in both forms and printed as the server does', () => {
    expect(formatLsn(lsnOf({ virtualLogFile: 68, block: 99, slot: 24 }))).toBe('68000000009900024')
    expect(parseLsn('00000044:00000063:0018')).toBe(68000000009900024n)
    expect(parseLsn('0000000068000000009900024')).toBe(68000000009900024n)
    expect(parseLsn('0')).toBe(0n)
  })

  it('come back from their parts and their text', () => {
    fc.assert(
      fc.property(parts, (all) => {
        const lsn = lsnOf(all)
        expect(partsOfLsn(lsn)).toEqual(all)
        expect(parseLsn(formatLsn(lsn))).toBe(lsn)
        const hexadecimal = [all.virtualLogFile.toString(16).padStart(8, '0'), all.block.toString(16).padStart(8, '0')]
        expect(parseLsn([...hexadecimal, all.slot.toString(16).padStart(4, '0')].join(':'))).toBe(lsn)
      }),
    )
  })

  it('are ordered by file, block and slot', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        const difference = a.virtualLogFile - b.virtualLogFile || a.block - b.block || a.slot - b.slot
        expect(compareLsn(lsnOf(a), lsnOf(b))).toBe(Math.sign(difference))
        expect(compareLsn(lsnOf(a), lsnOf(a))).toBe(0)
      }),
    )
  })

  it('never throw over a text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:]*$/)), (text) => void parseLsn(text)))
  })
})
