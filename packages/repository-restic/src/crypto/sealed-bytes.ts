import { createCipheriv, randomFillSync, timingSafeEqual } from 'node:crypto'
import sodium from 'sodium-native'
import type { MasterKey } from './master-key.ts'

/** What sealing adds: the 16 bytes of the initialisation vector before, and the 16 of the authentication code behind. */
export const sealOverhead = 32
const vectorBytes = 16
const codeBytes = 16

/** `IV || AES-256-CTR(plaintext) || Poly1305-AES`; restic, doc/design.rst, "Keys, Encryption and MAC". */
export function seal(key: MasterKey, plaintext: Uint8Array): Buffer {
  const sealed = Buffer.allocUnsafeSlow(plaintext.byteLength + sealOverhead)
  sealInto(sealed, key, plaintext)
  return sealed
}

/** Seals into `target`, which is exactly `sealOverhead` longer than the plaintext. */
export function sealInto(target: Uint8Array, key: MasterKey, plaintext: Uint8Array): void {
  const vector = target.subarray(0, vectorBytes)
  randomFillSync(vector)
  const ciphertext = target.subarray(vectorBytes, vectorBytes + plaintext.byteLength)
  ciphertext.set(createCipheriv('aes-256-ctr', key.encrypt, vector).update(plaintext))
  target.set(authenticationCode(key, vector, ciphertext), vectorBytes + plaintext.byteLength)
}

/** The plaintext; `undefined` when a byte was changed, or it was sealed with another key. */
export function unseal(key: MasterKey, sealed: Uint8Array): Buffer | undefined {
  if (sealed.byteLength < sealOverhead) return undefined
  const vector = sealed.subarray(0, vectorBytes)
  const ciphertext = sealed.subarray(vectorBytes, sealed.byteLength - codeBytes)
  const found = sealed.subarray(sealed.byteLength - codeBytes)
  if (!timingSafeEqual(authenticationCode(key, vector, ciphertext), found)) return undefined
  return createCipheriv('aes-256-ctr', key.encrypt, vector).update(ciphertext)
}

/** Poly1305-AES is the one-time code of libsodium under the key `r || AES-128(k, nonce)`. */
function authenticationCode({ macK, macR }: MasterKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  const oneTimeKey = Buffer.alloc(32)
  oneTimeKey.set(macR, 0)
  oneTimeKey.set(createCipheriv('aes-128-ecb', macK, null).setAutoPadding(false).update(nonce), 16)
  const code = Buffer.alloc(codeBytes)
  sodium.crypto_onetimeauth(code, message as Buffer, oneTimeKey)
  return code
}
