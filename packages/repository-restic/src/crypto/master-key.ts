import { randomBytes } from 'node:crypto'
import * as z from 'zod'

/** The three keys that seal everything in a repository; restic, doc/design.rst, "Keys, Encryption and MAC". */
export interface MasterKey {
  /** 32 bytes, for AES-256-CTR. */
  readonly encrypt: Uint8Array
  /** 16 bytes, for the AES in Poly1305-AES. */
  readonly macK: Uint8Array
  /** 16 bytes, the secret point of Poly1305. */
  readonly macR: Uint8Array
}

export function createMasterKey(): MasterKey {
  return { encrypt: randomBytes(32), macK: randomBytes(16), macR: maskedForPoly1305(randomBytes(16)) }
}

/** From 64 bytes, as a key derivation gives them. */
export function masterKeyOf(bytes: Uint8Array): MasterKey {
  return { encrypt: bytes.subarray(0, 32), macK: bytes.subarray(32, 48), macR: bytes.subarray(48, 64) }
}

const base64 = (length: number) =>
  z
    .base64()
    // In memory of its own: what goes to a worker thread takes all of the memory that it lies in with it.
    .transform((text) => Uint8Array.from(Buffer.from(text, 'base64')))
    .refine((bytes) => bytes.length === length, `not ${length} bytes`)

const schema = z.object({ mac: z.object({ k: base64(16), r: base64(16) }), encrypt: base64(32) })

/** The JSON inside of a key file. Throws a `ZodError` that shows no value. */
export function parseMasterKey(json: unknown): MasterKey {
  const { mac, encrypt } = schema.parse(json)
  return { encrypt, macK: mac.k, macR: mac.r }
}

export function masterKeyJson({ encrypt, macK, macR }: MasterKey): string {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  return JSON.stringify({ mac: { k: text(macK), r: text(macR) }, encrypt: text(encrypt) })
}

/** Clears the bits that Poly1305 does not use, as restic keeps them ("The Poly1305-AES message-authentication code", section 2). */
function maskedForPoly1305(r: Uint8Array): Uint8Array {
  return r.map((byte, at) => (at % 4 === 3 ? byte & 15 : at % 4 === 0 && at > 0 ? byte & 252 : byte))
}
