import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import { applyEdits, dialectOf, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

const kinds = (text: string, dialect = {}) => tokenizeSql(text, dialect).map((token) => token.type)

describe('tokenizeSql', () => {
  it.each(["'open", "'a\\'", '`a', '/* a', '/*!50100 a', '"a""'])('refuses %j, which never ends', (text) => {
    expect(() => tokenizeSql(text)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  it('knows comments from operators and executable comments from both', () => {
    expect(kinds('a--1')).toEqual(['word', 'symbol', 'symbol', 'word'])
    expect(kinds('a-- 1')).toEqual(['word', 'comment'])
    expect(kinds('#x\na')).toEqual(['comment', 'word'])
    expect(kinds('/*x*/a')).toEqual(['comment', 'word'])
    expect(kinds('/*!50100 a*/')).toEqual(['executable-begin', 'space', 'word', 'executable-end'])
    expect(kinds('/*M!100301 a*/')).toEqual(['executable-begin', 'space', 'word', 'executable-end'])
    expect(kinds('a*/b')).toEqual(['word', 'symbol', 'symbol', 'word'])
  })

  it('reads quotes as the SQL mode does', () => {
    expect(kinds('"a"')).toEqual(['string'])
    expect(kinds('"a"', dialectOf('ANSI_QUOTES'))).toEqual(['identifier'])
    expect(kinds("'a\\' b'")).toEqual(['string'])
    expect(kinds("'a\\' b", dialectOf('STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES'))).toEqual(['string', 'space', 'word'])
  })

  it('gives back every character, and every quoted name and text as one token', () => {
    const part = fc.oneof(
      fc.string().map((text) => ({ sql: quoteIdentifier(text), type: 'identifier', name: text })),
      fc.string().map((text) => ({ sql: quoteText(text), type: 'string', name: '' })),
      fc.constantFrom('CREATE', 'tablé', '$x', '12').map((text) => ({ sql: text, type: 'word', name: text })),
      fc.constantFrom('(', ')', ',', '.', ';', '=').map((text) => ({ sql: text, type: 'symbol', name: '' })),
    )
    fc.assert(
      fc.property(fc.array(part), fc.constantFrom(' ', '\n', ' /* ; */ ', '\n-- ; `\n'), (parts, separator) => {
        const text = parts.map((one) => one.sql).join(separator)
        const tokens = tokenizeSql(text)
        expect(tokens.map((token) => text.slice(token.begin, token.end)).join('')).toBe(text)
        expect(significantTokens(tokens).map(({ type, name }) => ({ type, name }))).toEqual(parts.map(({ type, name }) => ({ type, name })))
      }),
    )
  })
})

describe('applyEdits', () => {
  it('replaces pieces in any order and refuses overlapping ones', () => {
    expect(
      applyEdits('abcdef', [
        { begin: 4, end: 5, text: 'X' },
        { begin: 0, end: 2, text: '' },
      ]),
    ).toBe('cdXf')
    expect(() =>
      applyEdits('abc', [
        { begin: 0, end: 2, text: '' },
        { begin: 1, end: 3, text: '' },
      ]),
    ).toThrow(TypeError)
  })
})
