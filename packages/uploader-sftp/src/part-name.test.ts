import { sha256Of } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { identityOf, isPartOf, isUnfinished, nameOfAside, newAsideName, newPartName, partNameOf } from './part-name.ts'

const content = (size: number, sha256: string) => ({ size, sha256, open: () => (async function* () {})() })
const identities = fc.option(
  fc.stringMatching(/^[0-9a-f]{8}$/).filter((identity) => identity !== '00000000'),
  { nil: undefined },
)

describe('part names', () => {
  it('fit where the name fits, are told from objects, and are never twice the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 }), identities, (name, identity) => {
        const part = newPartName(name, identity)
        expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255)
        expect(partNameOf(part)).toEqual({ identity })
        expect(newPartName(name, identity)).not.toBe(part)
        if (identity !== undefined) expect(isPartOf(part, name, identity)).toBe(true)
        expect(isPartOf(part, `${name}x`.slice(0, 100), identity === '00000000' ? '11111111' : '00000000')).toBe(false)
      }),
    )
  })

  it.each([
    'object',
    'a.part',
    '.a.part',
    '.a.0123456789abcdef.part.',
    'a.0123456789abcdef.part',
    '.a.0123456789abcdeg.part',
    '.a.0123.part',
  ])('takes the object %s for none', (name) => {
    expect(partNameOf(name)).toBeUndefined()
  })
})

describe('names of old objects set aside', () => {
  it('hold the name, fit, are told from objects and parts, and are never twice the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }), (name) => {
        const aside = newAsideName(name)
        if (aside === undefined) return expect(Buffer.byteLength(name)).toBeGreaterThan(231)
        expect(Buffer.byteLength(aside)).toBeLessThanOrEqual(255)
        expect(nameOfAside(aside)).toBe(name)
        expect(isUnfinished(aside)).toBe(true)
        expect(partNameOf(aside)).toBeUndefined()
        expect(newAsideName(name)).not.toBe(aside)
      }),
    )
  })

  it.each(['object', 'a.aside', '.a.aside', '.a.0123456789abcdef.aside.', '..0123456789abcdef.aside'])(
    'take the object %s for none',
    (name) => {
      expect(isUnfinished(name)).toBe(false)
    },
  )
})

describe('identityOf', () => {
  it('is of key, size and hash, and of nothing that is not announced', () => {
    const hash = sha256Of(Buffer.from('x'))
    const identity = identityOf('a/b', content(5, hash))
    expect(identity).toMatch(/^[0-9a-f]{8}$/)
    expect(identityOf('a/b', content(5, hash))).toBe(identity)
    expect(identityOf('a/c', content(5, hash))).not.toBe(identity)
    expect(identityOf('a/b', content(6, hash))).not.toBe(identity)
    expect(identityOf('a/b', content(5, sha256Of(Buffer.from('y'))))).not.toBe(identity)
    expect(identityOf('a/b', { size: 5, open: content(5, hash).open })).toBeUndefined()
  })
})
