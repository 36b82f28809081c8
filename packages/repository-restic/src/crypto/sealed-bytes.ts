import { createCipheriv, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import sodium from 'sodium-native'
import type { MasterKey } from './master-key.ts'

/** What sealing adds: the 16 bytes of the initialisation vector before, and the 16 of the authentication code behind. */
export const sealOverhead = 32
const vectorBytes = 16
const codeBytes = 16

/** `IV || AES-256-CTR(plaintext) || Poly1305-AES`; restic, doc/design.rst, "Keys, Encryption and MAC". */
export function seal(key: MasterKey, plaintext: Uint8Array): Buffer {
  const { vector, ciphertext, code } = sealParts(key, plaintext)
  return Buffer.concat([vector, ciphertext, code])
}

/** The parts of a sealed text, for who puts them together elsewhere. */
export interface SealedParts {
  /** 16 bytes, new for every text. */
  readonly vector: Uint8Array
  readonly ciphertext: Uint8Array
  /** 16 bytes. */
  readonly code: Uint8Array
}

export function sealParts(key: MasterKey, plaintext: Uint8Array): SealedParts {
  const vector = randomBytes(vectorBytes)
  const ciphertext = createCipheriv('aes-256-ctr', preparedKey(key).encrypt, vector).update(plaintext)
  return { vector, ciphertext, code: authenticationCode(key, vector, ciphertext) }
}

/** The plaintext; `undefined` when a byte was changed, or it was sealed with another key. */
export function unseal(key: MasterKey, sealed: Uint8Array): Buffer | undefined {
  if (sealed.byteLength < sealOverhead) return undefined
  const vector = sealed.subarray(0, vectorBytes)
  const ciphertext = sealed.subarray(vectorBytes, sealed.byteLength - codeBytes)
  const found = sealed.subarray(sealed.byteLength - codeBytes)
  if (!timingSafeEqual(authenticationCode(key, vector, ciphertext), found)) return undefined
  return createCipheriv('aes-256-ctr', preparedKey(key).encrypt, vector).update(ciphertext)
}

/** Poly1305-AES is the one-time code of libsodium under the key `r || AES-128(k, nonce)`. */
function authenticationCode(key: MasterKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  const oneTimeKey = Buffer.alloc(32)
  oneTimeKey.set(key.macR, 0)
  oneTimeKey.set(createCipheriv('aes-128-ecb', preparedKey(key).macK, null).setAutoPadding(false).update(nonce), 16)
  const code = Buffer.alloc(codeBytes)
  sodium.crypto_onetimeauth(code, message as Buffer, oneTimeKey)
  return code
}

interface PreparedKey {
  readonly encrypt: KeyObject
  readonly macK: KeyObject
}

const prepared = new WeakMap<MasterKey, PreparedKey>()

/** As bytes, Node looks closely at a key each time: for small blobs that takes longer than the ciphers do. */
function preparedKey(key: MasterKey): PreparedKey {
  let found = prepared.get(key)
  if (found === undefined) {
    found = { encrypt: createSecretKey(key.encrypt), macK: createSecretKey(key.macK) }
    prepared.set(key, found)
  }
  return found
}
