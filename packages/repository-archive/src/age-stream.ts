import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'

/**
 * The payload of an age file: 64 KiB chunks, each sealed with ChaCha20-Poly1305 under a counter nonce whose last byte
 * tells the final chunk (C2SP age specification, section "Payload"). Done by OpenSSL here, since that is several times as fast as
 * portable JavaScript; the header, with all its key handling, is the age library's.
 */
export const chunkBytes = 64 * 1024
export const tagBytes = 16
export const sealedChunkBytes = chunkBytes + tagBytes
export const payloadNonceBytes = 16

const algorithm = 'chacha20-poly1305'

export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', fileKey, nonce, 'payload', 32))
}

/** Bytes of the sealed payload for so many plain bytes, without header and nonce. */
export function sealedSize(plainBytes: number): number {
  return plainBytes + tagBytes * Math.max(1, Math.ceil(plainBytes / chunkBytes))
}

/** Plain bytes in a sealed payload of this size; `undefined` when no payload has this size. */
export function plainSize(sealedBytes: number): number | undefined {
  if (sealedBytes < tagBytes) return undefined
  const chunks = Math.max(1, Math.ceil(sealedBytes / sealedChunkBytes))
  const plain = sealedBytes - chunks * tagBytes
  return plain >= 0 && sealedSize(plain) === sealedBytes ? plain : undefined
}

export function sealChunk(key: Uint8Array, index: number, final: boolean, plain: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, chunkNonce(index, final), { authTagLength: tagBytes })
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** `undefined` when the chunk was not sealed with this key at this place. */
export function openChunk(key: Uint8Array, index: number, final: boolean, sealed: Uint8Array): Buffer | undefined {
  if (sealed.byteLength < tagBytes) return undefined
  const split = sealed.byteLength - tagBytes
  const decipher = createDecipheriv(algorithm, key, chunkNonce(index, final), { authTagLength: tagBytes })
  decipher.setAuthTag(sealed.subarray(split))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, split)), decipher.final()])
  } catch {
    return undefined
  }
}

/** Cuts any stream into pieces of exactly `size` bytes; only the last may be smaller, and says so. */
export async function* fixedPieces(content: AsyncIterable<Uint8Array>, size: number): AsyncIterable<{ piece: Buffer; final: boolean }> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const chunk of content) {
    if (chunk.byteLength === 0) continue
    held.push(chunk)
    heldBytes += chunk.byteLength
    if (heldBytes <= size) continue
    const all = Buffer.concat(held, heldBytes)
    let offset = 0
    while (heldBytes - offset > size) {
      yield { piece: all.subarray(offset, offset + size), final: false }
      offset += size
    }
    held = [all.subarray(offset)]
    heldBytes -= offset
  }
  yield { piece: Buffer.concat(held, heldBytes), final: true }
}

function chunkNonce(index: number, final: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = final ? 1 : 0
  return nonce
}
