import { createHash } from 'node:crypto'
import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import type { MasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { encodePackHeader, headerLengthBytes, type PackedBlob } from '../format/pack-header.ts'
import { below, objectKey } from '../repository-objects.ts'
import type { BlobWorkers } from '../workers/blob-workers.ts'

/** A pack with its header. */
export interface SealedPack extends IndexedPack {
  readonly content: Uint8Array
  /** The sealed header and its length. */
  readonly ending: Uint8Array
  readonly size: number
}

/**
 * restic, doc/design.rst, "Pack Format": the blobs, the sealed header, and its length. The `content` of the result is to be used from
 * then on: the workers may have moved its memory.
 */
export async function sealPack(
  key: MasterKey,
  blobs: readonly PackedBlob[],
  content: Uint8Array,
  hashPack: BlobWorkers['hashPack'] = hashHere,
): Promise<SealedPack> {
  const header = seal(key, encodePackHeader(blobs))
  const headerLength = Buffer.alloc(headerLengthBytes)
  headerLength.writeUInt32LE(header.byteLength)
  const ending = Buffer.concat([header, headerLength])
  const hashed = await hashPack(content, ending)
  const id = Buffer.from(hashed.id).toString('hex')
  return { id, blobs, content: hashed.content, ending, size: hashed.content.byteLength + ending.byteLength }
}

const hashHere: BlobWorkers['hashPack'] = async (content, ending) => {
  return { id: createHash('sha256').update(content).update(ending).digest(), content }
}

/** In pieces, so that an uploader that is throttled or aborted has something to hold back. */
const sendBytes = 1024 ** 2

/** Stores a pack and sees that all of it arrived. It can be sent again as often as needed, since it lies in memory. */
export async function uploadPack(uploader: Uploader, { id, content, ending, size }: SealedPack, options: OperationOptions): Promise<void> {
  const key = objectKey('data', id)
  const open = async function* () {
    for (const piece of [content, ending]) for (let at = 0; at < piece.byteLength; at += sendBytes) yield piece.subarray(at, at + sendBytes)
  }
  const remote = await uploader.upload(key, { size, sha256: id, unchanging: true, open }, below(options))
  if (remote.size === size) return
  throw new BackupError(`pack ${key} was stored with ${remote.size} of ${size} bytes`, {
    code: 'CORRUPTED',
    retryable: true,
    hint: 'Run the backup again; if it happens again, do not trust this destination.',
  })
}
