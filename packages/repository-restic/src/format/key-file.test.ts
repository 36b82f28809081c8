import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ZodError } from 'zod'
import { keyFileJson, parseKeyFile } from './key-file.ts'

/** The key of restic's doc/design.rst, "Keys, Encryption and MAC". */
const written = {
  hostname: 'kasimir',
  username: 'fd0',
  kdf: 'scrypt',
  N: 65536,
  r: 8,
  p: 1,
  created: '2015-01-02T18:10:13.48307196+01:00',
  data: 'tGwYeKoM0C4j4/9DFrVEmMGAldvEn/+iKC3te/QE/6ox/V4qz58FUOgMa0Bb1cIJ6asrypCx/Ti/pRXCPHLDkIJbNYd2ybC+fLhFIJVLCvkMS+trdywsUkglUbTbi+7+Ldsul5jpAj9vTZ25ajDc+4FKtWEcCWL5ICAOoTAxnPgT+Lh8ByGQBH6KbdWabqamLzTRWxePFoYuxa7yXgmj9A==',
  salt: 'uW4fEI1+IOzj7ED9mVor+yTSJFd68DGlGOeLgJELYsTU5ikhG/83/+jGd4KKAaQdSrsfzrdOhAMftTSih5Ux6w==',
}

it('reads a key of restic', () => {
  const file = parseKeyFile(JSON.stringify(written))
  expect(file).toMatchObject({ hostname: 'kasimir', username: 'fd0', N: 65536, r: 8, p: 1, created: written.created })
  expect(file.salt).toHaveLength(64)
  expect(file.data).toHaveLength(160)
})

it('writes what it reads', () => {
  expect(JSON.parse(keyFileJson(parseKeyFile(JSON.stringify(written))))).toEqual(written)
})

it.each([
  ['nothing', null],
  ['another derivation', { ...written, kdf: 'argon2' }],
  ['no salt', { ...written, salt: undefined }],
  ['a salt that is no base64', { ...written, salt: '*' }],
  ['a cost that no machine should pay', { ...written, N: 2 ** 30 }],
  ['a cost of nothing', { ...written, N: 0, r: 0, p: 0 }],
  ['a cost that is no number', { ...written, N: '65536' }],
])('refuses a key with %s', (_, json) => {
  expect(() => parseKeyFile(JSON.stringify(json))).toThrow(ZodError)
})

it('gives a key, a SyntaxError or a ZodError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      expect(() => parseKeyFile(text)).toThrow(expect.toSatisfy((error) => error instanceof SyntaxError || error instanceof ZodError))
    }),
  )
})
