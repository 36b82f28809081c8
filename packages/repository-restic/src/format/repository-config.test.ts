import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ZodError } from 'zod'
import { configJson, parseConfig } from './repository-config.ts'

/** restic, doc/design.rst, "Repository Format". */
const written = { version: 2, id: '5956a3f67a6230d4a92cefb29529f10196c7d92582ec305fd71ff6d331d6271b', chunker_polynomial: '25b468838dcb75' }

it('reads a config of restic, and writes the same', () => {
  const config = parseConfig(written)
  expect(config).toEqual({ version: 2, id: written.id, chunkerPolynomial: '25b468838dcb75' })
  expect(configJson({ ...config, version: 2 })).toBe(JSON.stringify(written))
})

it('reads a version that is to come, so that it can be named', () => {
  expect(parseConfig({ ...written, version: 3 }).version).toBe(3)
})

it.each([
  ['nothing', null],
  ['no version', { ...written, version: undefined }],
  ['a version that is none', { ...written, version: '2' }],
  ['no polynomial', { ...written, chunker_polynomial: undefined }],
  ['a polynomial that is none', { ...written, chunker_polynomial: '0x25' }],
])('refuses a config with %s', (_, json) => {
  expect(() => parseConfig(json)).toThrow(ZodError)
})

it('gives a config or a ZodError', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      expect(() => parseConfig(json)).toThrow(ZodError)
    }),
  )
})
