import { randomBytes } from 'node:crypto'
import { BackupError, type ByteRange } from '@backup-planet/core'
import { Decrypter, Encrypter, type Identity } from 'age-encryption'
import { damagedHeader, passphraseIdentity, passphraseRecipient } from './age-passphrase.ts'
import {
  chunkBytes,
  fixedPieces,
  openChunk,
  payloadKey,
  payloadNonceBytes,
  plainSize,
  sealChunk,
  sealedChunkBytes,
  tagBytes,
} from './age-stream.ts'
import type { ArchiveEncryption } from './archive-settings.ts'

/** What one encrypted object is sealed with. Kept for the retries of an upload, so that each sends the same bytes. */
export interface AgeEnvelope {
  readonly header: Uint8Array
  readonly key: Uint8Array
}

/** What a host holds to read with. */
export interface AgeKeys {
  readonly identities: readonly string[]
  readonly passphrase?: string | undefined
}

/** No age header is longer than this with a reasonable number of recipients. */
const longestHeader = 256 * 1024
const endOfHeader = '\n---'

/** A fresh file key, wrapped for everybody who may read, as the age specification wants one for every file. */
export async function createEnvelope(encryption: ArchiveEncryption): Promise<AgeEnvelope> {
  let fileKey: Uint8Array | undefined
  const encrypter = new Encrypter()
  if ('passphrase' in encryption) encrypter.addRecipient(keeping(passphraseRecipient(encryption.passphrase, encryption.workFactor)))
  else {
    for (const recipient of encryption.recipients) encrypter.addRecipient(recipient)
    encrypter.addRecipient(keeping({ wrapFileKey: () => [] }))
  }
  const empty = await encrypter.encrypt(new Uint8Array(0))
  if (fileKey === undefined) throw new TypeError('the age library did not ask for a stanza')
  const nonce = randomBytes(payloadNonceBytes)
  const header = Buffer.concat([empty.subarray(0, empty.byteLength - payloadNonceBytes - tagBytes), nonce])
  return { header, key: payloadKey(fileKey, nonce) }

  function keeping(recipient: Parameters<Encrypter['addRecipient']>[0] & object) {
    return {
      wrapFileKey(key: Uint8Array) {
        fileKey = Uint8Array.from(key)
        return recipient.wrapFileKey(key)
      },
    }
  }
}

export async function* encrypted(content: AsyncIterable<Uint8Array>, envelope: AgeEnvelope): AsyncIterable<Uint8Array> {
  yield envelope.header
  let index = 0
  for await (const { piece, final } of fixedPieces(content, chunkBytes)) yield sealChunk(envelope.key, index++, final, piece)
}

/** Decrypts while it streams. Throws `WRONG_CREDENTIALS` before the first byte, `CORRUPTED` at the first damaged chunk. */
export async function* decrypted(content: AsyncIterable<Uint8Array>, keys: AgeKeys): AsyncIterable<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]()
  try {
    const { header, rest } = await readHeader(iterator)
    const fileKey = await unwrapFileKey(header, keys)
    let payload = rest
    while (payload.byteLength < payloadNonceBytes) {
      const next = await iterator.next()
      if (next.done === true) throw damagedHeader('it ends before its payload')
      payload = Buffer.concat([payload, next.value])
    }
    const key = payloadKey(fileKey, payload.subarray(0, payloadNonceBytes))
    let index = 0
    for await (const { piece, final } of fixedPieces(prepended(payload.subarray(payloadNonceBytes), iterator), sealedChunkBytes)) {
      yield openedChunk(key, index++, final, piece)
    }
  } finally {
    await iterator.return?.()
  }
}

/** An encrypted object whose plain bytes can be read from any place. */
export interface DecryptedObject {
  readonly size: number
  read(range: ByteRange): AsyncIterable<Uint8Array>
}

/** @param read reads a range of the encrypted object of `size` bytes */
export async function openDecrypted(
  read: (range: ByteRange) => AsyncIterable<Uint8Array>,
  size: number,
  keys: AgeKeys,
): Promise<DecryptedObject> {
  const begin = read({ begin: 0, end: Math.min(size, longestHeader) })[Symbol.asyncIterator]()
  let header: Buffer
  let beginning: Buffer
  try {
    const found = await readHeader(begin)
    header = found.header
    beginning = found.rest
    while (beginning.byteLength < payloadNonceBytes) {
      const next = await begin.next()
      if (next.done === true) throw damagedHeader('it ends before its payload')
      beginning = Buffer.concat([beginning, next.value])
    }
  } finally {
    await begin.return?.()
  }
  const key = payloadKey(await unwrapFileKey(header, keys), beginning.subarray(0, payloadNonceBytes))
  const payloadBegin = header.byteLength + payloadNonceBytes
  const plain = plainSize(size - payloadBegin)
  if (plain === undefined) throw damagedHeader(`no payload has ${size - payloadBegin} bytes`)
  const chunks = Math.max(1, Math.ceil(plain / chunkBytes))
  return {
    size: plain,
    async *read(range) {
      const end = Math.min(range.end ?? plain, plain)
      if (range.begin >= end) return
      const firstChunk = Math.floor(range.begin / chunkBytes)
      const lastChunk = Math.floor((end - 1) / chunkBytes)
      const sealed = read({
        begin: payloadBegin + firstChunk * sealedChunkBytes,
        end: Math.min(size, payloadBegin + (lastChunk + 1) * sealedChunkBytes),
      })
      let index = firstChunk
      for await (const { piece } of fixedPieces(sealed, sealedChunkBytes)) {
        const opened = openedChunk(key, index, index === chunks - 1, piece)
        const offset = index * chunkBytes
        yield opened.subarray(Math.max(0, range.begin - offset), Math.min(opened.byteLength, end - offset))
        index++
      }
      if (index !== lastChunk + 1) throw damagedHeader(`it ends in chunk ${index}`)
    },
  }
}

function openedChunk(key: Uint8Array, index: number, final: boolean, sealed: Buffer): Buffer {
  const opened = openChunk(key, index, final, sealed)
  if (opened === undefined || (final && index > 0 && opened.byteLength === 0)) {
    throw damagedHeader(`chunk ${index} is not what was encrypted`)
  }
  return opened
}

async function readHeader(iterator: AsyncIterator<Uint8Array>): Promise<{ header: Buffer; rest: Buffer }> {
  let held: Buffer = Buffer.alloc(0)
  for (;;) {
    const mark = held.indexOf(endOfHeader)
    const end = mark === -1 ? -1 : held.indexOf('\n', mark + endOfHeader.length)
    if (end !== -1) return { header: held.subarray(0, end + 1), rest: held.subarray(end + 1) }
    if (held.byteLength > longestHeader) throw damagedHeader('it has no age header')
    const next = await iterator.next()
    if (next.done === true) throw damagedHeader('it has no age header')
    held = Buffer.concat([held, next.value])
  }
}

async function unwrapFileKey(header: Uint8Array, keys: AgeKeys): Promise<Uint8Array> {
  const byPassphrase = header.byteLength < longestHeader && Buffer.from(header).toString('latin1').includes('\n-> scrypt ')
  let unwrapped = false
  const decrypter = new Decrypter()
  for (const identity of keys.identities) decrypter.addIdentity(identity)
  if (keys.passphrase !== undefined) {
    const identity = passphraseIdentity(keys.passphrase)
    decrypter.addIdentity({
      async unwrapFileKey(stanzas: Parameters<Identity['unwrapFileKey']>[0]) {
        const key = await identity.unwrapFileKey(stanzas)
        unwrapped ||= key !== null
        return key
      },
    })
  }
  try {
    return await decrypter.decryptHeader(header)
  } catch (error) {
    if (BackupError.is(error)) throw error
    const message = error instanceof Error ? error.message : ''
    if (!unwrapped && message.includes('no identity matched')) throw wrongKeys(byPassphrase, keys)
    throw damagedHeader(`its header is refused (${message})`)
  }
}

function wrongKeys(byPassphrase: boolean, keys: AgeKeys): BackupError {
  if (byPassphrase) {
    return new BackupError(`${keys.passphrase === undefined ? 'no' : 'wrong'} passphrase for this encrypted backup`, {
      code: 'WRONG_CREDENTIALS',
      hint: 'Set encryption.passphrase of this repository to the passphrase that the backup was stored with.',
    })
  }
  const count = keys.identities.length
  return new BackupError(
    count === 0 ? 'this host holds no identity to decrypt with' : `none of ${count} identities opens this encrypted backup`,
    {
      code: 'WRONG_CREDENTIALS',
      hint: 'Set identities of this repository to the secret key (AGE-SECRET-KEY-1…) of one of the recipients that the backup was stored for.',
    },
  )
}

async function* prepended(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  yield first
  for (;;) {
    const next = await rest.next()
    if (next.done === true) return
    yield next.value
  }
}
