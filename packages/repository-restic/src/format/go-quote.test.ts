import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quoteName, unquoteName } from './go-quote.ts'

describe('a name', () => {
  // Go's documentation of strconv.Quote: escapes (\t, \n, \xFF, \u0100) for control characters and for what IsPrint does not count as
  // printable, that is all but letters, marks, numbers, punctuation, symbols and the ASCII space. U+007F is \x7f since Go 1.19.
  it.each([
    ['data.sql', 'data.sql'],
    ['größe 数据 🐬 é', 'größe 数据 🐬 é'],
    ['a"b', String.raw`a\"b`],
    ["a'b", "a'b"],
    ['a\\b', String.raw`a\\b`],
    ['\u0007\b\f\n\r\t\v', String.raw`\a\b\f\n\r\t\v`],
    ['\u0001\u001b\u001f', String.raw`\x01\x1b\x1f`],
    ['\u007f', String.raw`\x7f`],
    ['\u0080\u009f', String.raw`\u0080\u009f`],
    ['a b', 'a b'],
    ['\u00a0\u2003\u3000', String.raw`\u00a0\u2003\u3000`],
    ['\u00ad\u200b\u202e\ufeff', String.raw`\u00ad\u200b\u202e\ufeff`],
    ['\u2028\u2029', String.raw`\u2028\u2029`],
    ['\ue000\u{10ffff}', String.raw`\ue000\U0010ffff`],
    ['\u{e0001}', String.raw`\U000e0001`],
    ['\ufffd', '\ufffd'],
    ['e\u0301', 'e\u0301'],
    ['<&>', '<&>'],
  ])('%j is quoted as %s', (name, quoted) => {
    expect(quoteName(name)).toBe(quoted)
    expect(unquoteName(quoted)).toEqual(Buffer.from(name))
  })

  it('comes back, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\\', 'x', 'u', '0', '1', '"', 'n', '\n') })),
        (name) => {
          expect(unquoteName(quoteName(name)).toString()).toBe(name)
        },
      ),
    )
  })

  it('of half a surrogate pair is quoted as Go writes what is no character', () => {
    expect(quoteName('a\ud800')).toBe('a\ufffd')
  })
})

describe('a quoted name', () => {
  // Go's documentation of strconv.Unquote, and its specification, "String literals".
  it.each([
    [String.raw`\xff\xfe`, 'fffe'],
    [String.raw`a\377b`, '61ff62'],
    [String.raw`\u00e4`, 'c3a4'],
    [String.raw`\U0001F42C`, 'f09f90ac'],
    ['', ''],
  ])('%s is the bytes %s', (quoted, hex) => {
    expect(unquoteName(quoted).toString('hex')).toBe(hex)
  })

  it.each([
    ['ends in a backslash', 'a\\'],
    ['has an unknown escape', String.raw`\z`],
    ['has a short hex escape', String.raw`\x1`],
    ['has a short escape of a character', String.raw`\u12`],
    ['has a short octal escape', String.raw`\12`],
    ['has an octal escape above a byte', String.raw`\400`],
    ['has an escape above Unicode', String.raw`\U00110000`],
    ['has an escape of half a surrogate pair', String.raw`\ud800`],
    ['escapes the other quote', String.raw`\'`],
  ])('that %s is refused', (_, quoted) => {
    expect(() => unquoteName(quoted)).toThrow(SyntaxError)
  })

  it('is bytes or a SyntaxError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('\\', 'x', 'u', 'U', '0', '1', '3', '7', 'd', 'f', '"', "'", 'ä') }), (quoted) => {
        try {
          expect(unquoteName(quoted)).toBeInstanceOf(Buffer)
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
