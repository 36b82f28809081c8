import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMasterKey, type MasterKey } from './master-key.ts'
import { seal, sealOverhead, unseal } from './sealed-bytes.ts'

/** D. J. Bernstein, "The Poly1305-AES message-authentication code" (2005), appendix B: k, r, n, m, and the code. */
const published = [
  [
    'ec074c835580741701425b623235add6',
    '851fc40c3467ac0be05cc20404f3f700',
    'fb447350c4e868c52ac3275cf9d4327e',
    'f3f6',
    'f4c633c3044fc145f84f335cb81953de',
  ],
  [
    '75deaa25c09f208e1dc4ce6b5cad3fbf',
    'a0f3080000f46400d0c7e9076c834403',
    '61ee09218d29b0aaed7e154a2c5509cc',
    '',
    'dd3fab2251f11ac759f0887129cc2ee7',
  ],
  [
    '6acb5f61a7176dd320c5c1eb2edcdc74',
    '48443d0bb0d21109c89a100b5ce2c208',
    'ae212a55399729595dea458bc621ff0e',
    '663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136',
    '0ee1c16bb73f0f4fd19881753c01cdbe',
  ],
  [
    'e1a5668a4d5b66a5f68cc5424ed5982d',
    '12976a08c4426d0ce8a82407c4f48207',
    '9ae831e743978d3a23527c7128149e3a',
    'ab0812724a7f1e342742cbed374d94d136c6b8795d45b3819830f2c04491faf0990c62e48b8018b2c3e4a0fa3134cb67fa83e158c994d961c4cb21095c1bf9',
    '5154ad0d2cb26e01274fc51148491f1b',
  ],
] as const

describe('what is sealed', () => {
  it.each(published)('has the code of Poly1305-AES with the key %s, %s', (k, r, nonce, message, code) => {
    const key: MasterKey = { encrypt: Buffer.alloc(32, 7), macK: Buffer.from(k, 'hex'), macR: Buffer.from(r, 'hex') }
    const sealed = Buffer.from(nonce + message + code, 'hex')
    // CTR undoes itself: what the published message is the ciphertext of.
    const plaintext = createCipheriv('aes-256-ctr', key.encrypt, Buffer.from(nonce, 'hex')).update(Buffer.from(message, 'hex'))
    expect(unseal(key, sealed)).toEqual(plaintext)
    for (let at = 0; at < sealed.byteLength; at++) expect(unseal(key, flipped(sealed, at))).toBeUndefined()
  })

  it('is encrypted with AES-256-CTR: NIST SP 800-38A, F.5.5', () => {
    const encrypt = Buffer.from('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', 'hex')
    const key: MasterKey = { ...createMasterKey(), encrypt }
    const vector = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex')
    const ciphertext = Buffer.from('601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5', 'hex')
    const plaintext = Buffer.from('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51', 'hex')
    const sealed = seal(key, plaintext)
    const ownVector = sealed.subarray(0, 16)
    expect(createCipheriv('aes-256-ctr', encrypt, vector).update(plaintext)).toEqual(ciphertext)
    expect(createCipheriv('aes-256-ctr', encrypt, ownVector).update(plaintext)).toEqual(sealed.subarray(16, -16))
  })

  it('comes back, and with no other key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plaintext) => {
        const key = createMasterKey()
        const sealed = seal(key, plaintext)
        expect(sealed.byteLength).toBe(plaintext.byteLength + sealOverhead)
        expect(unseal(key, sealed)).toEqual(Buffer.from(plaintext))
        expect(unseal(createMasterKey(), sealed)).toBeUndefined()
      }),
    )
  })

  it('is never the same twice', () => {
    const key = createMasterKey()
    expect(new Set(Array.from({ length: 100 }, () => seal(key, Buffer.from('x')).toString('hex').slice(0, 32))).size).toBe(100)
  })

  it('is refused with one bit changed, one byte missing or one too many, wherever', () => {
    const key = createMasterKey()
    const sealed = seal(key, Buffer.from('a few bytes that matter'))
    for (let at = 0; at < sealed.byteLength; at++) expect(unseal(key, flipped(sealed, at))).toBeUndefined()
    for (let length = 0; length < sealed.byteLength; length++) expect(unseal(key, sealed.subarray(0, length))).toBeUndefined()
    expect(unseal(key, Buffer.concat([sealed, Buffer.of(0)]))).toBeUndefined()
  })
})

function flipped(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
  return changed
}
