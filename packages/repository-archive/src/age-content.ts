import { BackupError } from '@backup-planet/core'
import { Decrypter, Encrypter } from 'age-encryption'
import { corrupted } from './checked-content.ts'

/** No age header is longer than this, even with hundreds of recipients. */
const longestHeader = 2 ** 20
const pieceBytes = 64 * 1024

/** Encrypts for everybody who holds an identity of one of the recipients. Every call makes other bytes, as age has a fresh key for every file. */
export async function* encrypted(content: AsyncIterable<Uint8Array>, recipients: readonly string[]): AsyncIterable<Uint8Array> {
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  yield* await encrypter.encrypt(ReadableStream.from(content))
}

export interface DecryptionKeys {
  readonly identities: readonly string[]
  /** They have opened something else of the same backup: when none fits, it is the content that is wrong. */
  readonly proven: boolean
}

/**
 * Decrypts while it streams. Throws before the first byte `WRONG_CREDENTIALS` when no identity fits and `CORRUPTED` when the
 * header is damaged; `CORRUPTED` at the first damaged or missing chunk of 64 KiB.
 */
export async function* decrypted(
  content: AsyncIterable<Uint8Array>,
  { identities, proven }: DecryptionKeys,
  what: string,
): AsyncIterable<Uint8Array> {
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  const source = new GuardedSource(content, what)
  try {
    const plain = await decrypter.decrypt(ReadableStream.from(source))
    source.opened = true
    yield* plain
  } catch (error) {
    if (source.failure !== undefined) throw source.failure.error
    const message = error instanceof Error ? error.message : String(error)
    if (!proven && !source.opened && message.includes('no identity matched')) throw noIdentity(identities.length, what)
    throw corrupted(`${what} cannot be decrypted: ${message}`, error)
  } finally {
    await source.close()
  }
}

/** Remembers a failure of its content, tells it from one of the decryption, and ends what has no header before it fills the memory. */
class GuardedSource implements AsyncIterable<Uint8Array> {
  opened = false
  failure: { readonly error: unknown } | undefined
  readonly #content: AsyncIterable<Uint8Array>
  readonly #what: string
  readonly #iterator: AsyncGenerator<Uint8Array, void>

  constructor(content: AsyncIterable<Uint8Array>, what: string) {
    this.#content = content
    this.#what = what
    this.#iterator = this.#read()
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    return this.#iterator
  }

  async close(): Promise<void> {
    await this.#iterator.return()
  }

  async *#read(): AsyncGenerator<Uint8Array, void> {
    try {
      let size = 0
      for await (const chunk of this.#content) {
        for (let offset = 0; offset < chunk.byteLength; offset += pieceBytes) {
          const piece = chunk.subarray(offset, offset + pieceBytes)
          size += piece.byteLength
          if (!this.opened && size > longestHeader) throw corrupted(`${this.#what} is not encrypted with age: it has no header`)
          yield piece
        }
      }
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }
}

function noIdentity(count: number, what: string): BackupError {
  const who = count === 0 ? 'this host holds no identity' : `none of ${count} identities fits`
  return new BackupError(`${who} to decrypt ${what}`, {
    code: 'WRONG_CREDENTIALS',
    hint: 'Set identities of this repository to the secret key (AGE-SECRET-KEY-1…) of one of the recipients that the backup was stored for.',
  })
}
