import type { BlobType, PackedBlob } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'

/** A sealed blob on its way into a pack. */
export interface BlobForPack {
  readonly id: StorageId
  readonly uncompressedLength: number
  /** Its bytes, in as many pieces as it lies in. */
  readonly pieces: readonly Uint8Array[]
}

/** A pack that is being put together. */
export class OpenPack<Waiting> {
  readonly type: BlobType
  readonly buffer: Buffer
  readonly blobs: PackedBlob[] = []
  /** Who waits for it to be sent. */
  readonly waiting: Waiting[] = []
  bytes = 0

  constructor(type: BlobType, buffer: Buffer) {
    this.type = type
    this.buffer = buffer
  }

  hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.buffer.byteLength
  }

  add({ id, uncompressedLength, pieces }: BlobForPack): void {
    const offset = this.bytes
    for (const piece of pieces) {
      this.buffer.set(piece, this.bytes)
      this.bytes += piece.byteLength
    }
    this.blobs.push({ type: this.type, id, offset, length: this.bytes - offset, uncompressedLength })
  }

  /** What was put in so far. */
  get content(): Buffer {
    return this.buffer.subarray(0, this.bytes)
  }
}
