import type { StorageId } from './storage-id.ts'

export type BlobType = 'data' | 'tree'

/** One blob inside of a pack. */
export interface PackedBlob {
  readonly type: BlobType
  readonly id: StorageId
  readonly offset: number
  /** Bytes in the pack, sealed. */
  readonly length: number
  /** Bytes of the plaintext; 0 when the blob is not compressed. */
  readonly uncompressedLength: number
}

/** Type, length of the sealed blob and SHA-256 of the plaintext; a compressed one has the length of the plaintext between. */
const plainEntryBytes = 1 + 4 + 32
const compressedEntryBytes = plainEntryBytes + 4
/** The length of the sealed header, at the very end of a pack. */
export const headerLengthBytes = 4

const types: readonly (readonly [BlobType, boolean])[] = [
  ['data', false],
  ['tree', false],
  ['data', true],
  ['tree', true],
]

export function packHeaderBytes(blobs: readonly Pick<PackedBlob, 'uncompressedLength'>[]): number {
  return blobs.reduce((sum, blob) => sum + (blob.uncompressedLength > 0 ? compressedEntryBytes : plainEntryBytes), 0)
}

/** The plaintext of a pack's header; restic, doc/design.rst, "Pack Format". */
export function encodePackHeader(blobs: readonly Omit<PackedBlob, 'offset'>[]): Buffer {
  const header = Buffer.alloc(packHeaderBytes(blobs))
  let at = 0
  for (const { type, id, length, uncompressedLength } of blobs) {
    const compressed = uncompressedLength > 0
    header.writeUInt8((type === 'tree' ? 1 : 0) | (compressed ? 2 : 0), at)
    header.writeUInt32LE(length, at + 1)
    if (compressed) header.writeUInt32LE(uncompressedLength, at + 5)
    at += compressed ? compressedEntryBytes : plainEntryBytes
    header.write(id, at - 32, 'hex')
  }
  return header
}

/** Throws a `SyntaxError` that says what is wrong. The offsets are those that the lengths give. */
export function decodePackHeader(header: Uint8Array): PackedBlob[] {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  const blobs: PackedBlob[] = []
  let offset = 0
  for (let at = 0; at < bytes.length; ) {
    const kind = types[bytes.readUInt8(at)]
    if (kind === undefined) throw new SyntaxError(`its header names the unknown blob type ${bytes.readUInt8(at)}`)
    const [type, compressed] = kind
    const end = at + (compressed ? compressedEntryBytes : plainEntryBytes)
    if (end > bytes.length) throw new SyntaxError('its header ends in the middle of an entry')
    const length = bytes.readUInt32LE(at + 1)
    const uncompressedLength = compressed ? bytes.readUInt32LE(at + 5) : 0
    blobs.push({ type, id: bytes.toString('hex', end - 32, end), offset, length, uncompressedLength })
    offset += length
    at = end
  }
  return blobs
}
