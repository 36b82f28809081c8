import * as z from 'zod'
import { isAffordable } from '../crypto/password-key.ts'

/** A file below `keys/`, not sealed itself; restic, doc/design.rst, "Keys, Encryption and MAC". */
export interface KeyFile {
  readonly created: string
  readonly username: string
  readonly hostname: string
  readonly kdf: 'scrypt'
  readonly N: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
  /** The master key, sealed with the key that the password gives. */
  readonly data: Uint8Array
}

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))

const schema = z
  .object({
    created: z.string().default(''),
    username: z.string().default(''),
    hostname: z.string().default(''),
    kdf: z.literal('scrypt'),
    N: z.int(),
    r: z.int(),
    p: z.int(),
    salt: bytes,
    data: bytes,
  })
  .refine(isAffordable, 'its costs of scrypt are more than any machine should pay')

/** Throws a `SyntaxError` or `ZodError`. */
export function parseKeyFile(text: string): KeyFile {
  return schema.parse(JSON.parse(text))
}

export function keyFileJson({ salt, data, ...file }: KeyFile): string {
  const text = (value: Uint8Array) => Buffer.from(value).toString('base64')
  return JSON.stringify({ ...file, data: text(data), salt: text(salt) })
}
