import { describe, expect, it } from 'vitest'
import { ZodError } from 'zod'
import { createMasterKey, masterKeyJson, masterKeyOf, parseMasterKey } from './master-key.ts'

/** As restic writes one; the field names and their order are those of doc/design.rst, "Keys, Encryption and MAC". */
const written =
  '{"mac":{"k":"evFWd9wWlndL9jc501268g==","r":"E9eEDnSJZgqwTOkDtOp+Dw=="},"encrypt":"UQCqa0lKZ94PygPxMRqkePTZnHRYh1k1pX2k2lM2v3Q="}'

describe('a master key', () => {
  it('of restic is read, and written the same', () => {
    const key = parseMasterKey(JSON.parse(written))
    expect([key.encrypt, key.macK, key.macR].map(({ byteLength }) => byteLength)).toEqual([32, 16, 16])
    expect(Buffer.from(key.macK).toString('base64')).toBe('evFWd9wWlndL9jc501268g==')
    expect(masterKeyJson(key)).toBe(written)
  })

  it('that is created differs from the one before, and has the bits cleared that Poly1305 does not use', () => {
    const keys = Array.from({ length: 50 }, createMasterKey)
    expect(new Set(keys.map(masterKeyJson)).size).toBe(50)
    const unused = Buffer.from('000000f0030000f0030000f0030000f0', 'hex')
    for (const { macR } of keys) expect(macR.map((byte, at) => byte & (unused[at] ?? 0)).every((byte) => byte === 0)).toBe(true)
    const used = keys.reduce((all, { macR }) => all.map((byte, at) => byte | (macR[at] ?? 0)), new Uint8Array(16))
    expect(Buffer.from(used)).toEqual(Buffer.from(unused.map((byte) => 255 ^ byte)))
  })

  it('of 64 bytes is them in the order of restic', () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, at) => at)
    const { encrypt, macK, macR } = masterKeyOf(bytes)
    expect([encrypt[0], macK[0], macR[0], macR.at(-1)]).toEqual([0, 32, 48, 63])
  })

  it.each([
    ['nothing', null],
    ['no mac', { encrypt: Buffer.alloc(32).toString('base64') }],
    ['a key that is too short', { ...JSON.parse(written), encrypt: Buffer.alloc(16).toString('base64') }],
    ['a key that is no base64', { ...JSON.parse(written), encrypt: 'secret! no base64' }],
  ])('is refused with %s, and no value is shown', (_, json) => {
    const parse = () => parseMasterKey(json)
    expect(parse).toThrow(ZodError)
    expect(parse).not.toThrow(/secret/)
  })
})
