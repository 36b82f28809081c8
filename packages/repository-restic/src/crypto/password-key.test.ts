import { describe, expect, it } from 'vitest'
import { isAffordable, keyDerivationCost, passwordKey } from './password-key.ts'

describe('the key of a password', () => {
  // RFC 7914, section 12.
  it.each([
    [
      '',
      '',
      16,
      1,
      1,
      '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906',
    ],
    [
      'password',
      'NaCl',
      1024,
      8,
      16,
      'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640',
    ],
    [
      'pleaseletmein',
      'SodiumChloride',
      16384,
      8,
      1,
      '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    ],
  ])('%j with the salt %j is that of scrypt, cut into the three keys', async (password, salt, N, r, p, expected) => {
    const { encrypt, macK, macR } = await passwordKey(password, { N, r, p, salt: Buffer.from(salt) })
    expect([encrypt, macK, macR].map(({ byteLength }) => byteLength)).toEqual([32, 16, 16])
    expect(Buffer.concat([encrypt, macK, macR]).toString('hex')).toBe(expected)
  })

  it('is of its UTF-8', async () => {
    const cost = { N: 2, r: 1, p: 1, salt: Buffer.from('salt') }
    expect(await passwordKey('pässwörd', cost)).not.toEqual(await passwordKey('passwort', cost))
    expect(Buffer.from((await passwordKey('ä', cost)).encrypt)).toEqual(Buffer.from((await passwordKey('\u00e4', cost)).encrypt))
  })
})

describe('a cost of scrypt', () => {
  it.each([
    [keyDerivationCost, true],
    [{ N: 2, r: 1, p: 1 }, true],
    [{ N: 2 ** 20, r: 8, p: 1 }, true],
    [{ N: 2 ** 21, r: 8, p: 1 }, false],
    [{ N: 2, r: 1, p: 2 ** 27 }, false],
    [{ N: 2, r: 1, p: 2 ** 24 }, false],
    [{ N: 2, r: 2 ** 23, p: 1 }, false],
    [{ N: 2 ** 15, r: 8, p: 2 ** 12 }, false],
    [{ N: 0, r: 8, p: 1 }, false],
    [{ N: 1, r: 8, p: 1 }, false],
    [{ N: -2, r: 8, p: 1 }, false],
    [{ N: 3000, r: 8, p: 1 }, false],
    [{ N: 2, r: 0, p: 1 }, false],
    [{ N: 2, r: 1, p: 0 }, false],
    [{ N: Number.NaN, r: 1, p: 1 }, false],
  ])('of %j is affordable: %s', (cost, affordable) => {
    expect(isAffordable(cost)).toBe(affordable)
  })

  it('that is affordable can be paid', async () => {
    for (const cost of [
      { N: 2, r: 1, p: 2 ** 12 },
      { N: 2, r: 2 ** 12, p: 1 },
      { N: 2 ** 14, r: 1, p: 1 },
    ]) {
      expect(isAffordable(cost)).toBe(true)
      await passwordKey('password', { ...cost, salt: Buffer.alloc(64) })
    }
  })
})
