import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nearest } from './nearest.ts'

describe('nearest', () => {
  const known = ['host', 'port', 'user', 'password', 'retention']
  test.each([
    ['hots', 'host'],
    ['Host', 'host'],
    ['passwrd', 'password'],
    ['pasword', 'password'],
    ['retentoin', 'retention'],
    ['prot', 'port'],
    ['x', undefined],
    ['', undefined],
    ['schedule', undefined],
  ])('for %j is %j', (word, expected) => {
    expect(nearest(word, known)).toBe(expected)
  })

  test('is undefined without candidates', () => expect(nearest('host', [])).toBeUndefined())

  test('of a known word is the word itself', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), fc.nat(), (words, index) => {
        const word = words[index % words.length] ?? ''
        expect(nearest(word, words)?.toLowerCase()).toBe(word.toLowerCase())
      }),
    )
  })
})
