import { createHash } from 'node:crypto'
import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import type { MasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import type { IndexedPack } from '../format/index-file.ts'
import { encodePackHeader, headerLengthBytes, type PackedBlob } from '../format/pack-header.ts'
import { below, objectKey } from '../repository-objects.ts'

/** A pack with its header. */
export interface SealedPack extends IndexedPack {
  readonly pieces: readonly Uint8Array[]
  readonly size: number
}

/** restic, doc/design.rst, "Pack Format": the blobs, the sealed header, and its length. */
export function sealPack(key: MasterKey, blobs: readonly PackedBlob[], content: Uint8Array): SealedPack {
  const header = seal(key, encodePackHeader(blobs))
  const headerLength = Buffer.alloc(headerLengthBytes)
  headerLength.writeUInt32LE(header.byteLength)
  const pieces = [content, header, headerLength]
  const hash = createHash('sha256')
  let size = 0
  for (const piece of pieces) {
    hash.update(piece)
    size += piece.byteLength
  }
  return { id: hash.digest('hex'), blobs, pieces, size }
}

/** In pieces, so that an uploader that is throttled or aborted has something to hold back. */
const sendBytes = 1024 ** 2

/** Stores a pack and sees that all of it arrived. It can be sent again as often as needed, since it lies in memory. */
export async function uploadPack(uploader: Uploader, { id, pieces, size }: SealedPack, options: OperationOptions): Promise<void> {
  const key = objectKey('data', id)
  let settled = false
  const open = async function* () {
    for (const piece of pieces) {
      for (let at = 0; at < piece.byteLength; at += sendBytes) {
        // An attempt that was given up and goes on would send what is being put together in this memory by then.
        if (settled) throw new TypeError(`pack ${key} is read after its upload has settled`)
        yield piece.subarray(at, at + sendBytes)
      }
    }
  }
  const upload = uploader.upload(key, { size, sha256: id, unchanging: true, open }, below(options))
  const remote = await upload.finally(() => {
    settled = true
  })
  if (remote.size === size) return
  throw new BackupError(`pack ${key} was stored with ${remote.size} of ${size} bytes`, {
    code: 'CORRUPTED',
    retryable: true,
    hint: 'Run the backup again; if it happens again, do not trust this destination.',
  })
}
