import fc from 'fast-check'
import { expect, it } from 'vitest'
import { goJsonString } from './go-json.ts'

// The documentation of Go's encoding/json, at Marshal: <, >, &, U+2028 and U+2029 are escaped. Its release notes of 1.22: \b and \f are short.
it.each([
  ['', '""'],
  ['shop', '"shop"'],
  ['größe 数据 🐬', '"größe 数据 🐬"'],
  ['"', String.raw`"\""`],
  ['\\', String.raw`"\\"`],
  ['a\\bin', String.raw`"a\\bin"`],
  ['a\\folder', String.raw`"a\\folder"`],
  ['\\\\f', String.raw`"\\\\f"`],
  ['/', '"/"'],
  ['<a&b>', String.raw`"\u003ca\u0026b\u003e"`],
  ['\u2028\u2029', String.raw`"\u2028\u2029"`],
  ['\n\r\t\b\f', String.raw`"\n\r\t\b\f"`],
  ['\0\u0001\u001f\v', String.raw`"\u0000\u0001\u001f\u000b"`],
  ['\u007f', '"\u007f"'],
  ['\ud800x', '"\ufffdx"'],
])('writes %j as %s', (text, written) => {
  expect(goJsonString(text)).toBe(written)
})

it('is JSON of the same text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(JSON.parse(goJsonString(text))).toBe(text)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('\\', '"', 'b', 'f', 'n', 'u', '0', '<', '\b', '\f', '\n') }), (text) => {
      expect(JSON.parse(goJsonString(text))).toBe(text)
    }),
  )
})
