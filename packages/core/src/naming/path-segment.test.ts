import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeSegment, encodeSegment } from './path-segment.ts'
import { assertSafePath } from './safe-path.ts'

/** Names of all kinds: any code units, what looks encoded already, device names, dots, dashes, and long ones. */
const name = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat(0xffff), { maxLength: 12 }).map((units) => String.fromCharCode(...units)),
  fc
    .array(fc.constantFrom('%', '~', '.', '-', '/', '\\', '2', 'F', 'a', 'A', '\ud800', '\udc00', 'é', ' ', '$'), { maxLength: 12 })
    .map((parts) => parts.join('')),
  fc.constantFrom('con', 'CON', 'nul.txt', 'Aux', 'com1', 'lpt9.x', 'CONIN$', 'conout$', '.', '..', '...', '-', '', '%', '%~', '%2E'),
  fc.string({ minLength: 150, maxLength: 400 }),
)

describe('encodeSegment', () => {
  test.each([
    ['shop', 'shop'],
    ['a/b', 'a%2Fb'],
    ['', '%'],
    ['.', '%2E'],
    ['..', '%2E%2E'],
    ['a.b', 'a.b'],
    ['-rf', '%2Drf'],
    ['a.', 'a%2E'],
    ['con', '%63on'],
    ['Nul.txt', '%4Eul.txt'],
    ['CONIN$', '%43ONIN$'],
    ['console', 'console'],
    ['ü', '%C3%BC'],
    ['100%', '100%25'],
    ['\ud800', '%ED%A0%80'],
    ['\ufffd', '%EF%BF%BD'],
  ])('writes %j as %j', (plain, encoded) => {
    expect(encodeSegment(plain)).toBe(encoded)
    expect(decodeSegment(encoded)).toBe(plain)
  })

  test('gives two names two segments', () => {
    fc.assert(
      fc.property(name, name, (a, b) => (encodeSegment(a) === encodeSegment(b)) === (a === b)),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 40 }), (names) => {
        expect(new Set(names.map(encodeSegment)).size).toBe(names.length)
      }),
    )
  })

  test('gives long names with the same beginning two segments', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 200, maxLength: 220 }), name, name, (beginning, a, b) => {
        fc.pre(a !== b)
        expect(encodeSegment(beginning + a)).not.toBe(encodeSegment(beginning + b))
      }),
    )
  })

  test('is undone by decodeSegment unless the name was cut', () => {
    fc.assert(
      fc.property(name, (plain) => {
        const encoded = encodeSegment(plain)
        expect(decodeSegment(encoded)).toBe(encoded.includes('%~') ? undefined : plain)
        if (encoded.includes('%~')) expect(encoded.length).toBeGreaterThan(180)
      }),
      { numRuns: 3000 },
    )
  })

  test('is one safe segment of plain characters on every file system', () => {
    fc.assert(
      fc.property(name, (plain) => {
        const encoded = encodeSegment(plain)
        expect(assertSafePath(encoded, 'name')).toBe(encoded)
        expect(encoded).toMatch(/^[A-Za-z0-9_$%~.-]{1,200}$/)
        expect(encoded).not.toMatch(/^[.-]|[.-]$/)
        expect(encoded).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i)
      }),
      { numRuns: 3000 },
    )
  })
})

describe('decodeSegment', () => {
  test.each(['%2f', 'a/b', '%4', '%GG', '%61', 'a.', '.a', 'con', 'ü', '%C3', '%ED%A0%80%ED%B0%80', ''])(
    'refuses %j, which is never written',
    (segment) => {
      expect(decodeSegment(segment)).toBeUndefined()
    },
  )

  test('gives back only what encodes to the same segment', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), name), (segment) => {
        const decoded = decodeSegment(segment)
        if (decoded !== undefined) expect(encodeSegment(decoded)).toBe(segment)
      }),
      { numRuns: 3000 },
    )
  })
})
