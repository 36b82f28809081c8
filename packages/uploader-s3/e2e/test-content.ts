import { createHash } from 'node:crypto'
import type { Reopenable } from '@backup-planet/core'
import { chunksOf } from '@backup-planet/core/testing'

export interface TestContent extends Reopenable {
  readonly bytes: Buffer
  readonly size: number
  readonly sha256: string
}

/** Bytes that no other seed has, made quickly: AES in counter mode would do no better here than SHA-256 of a counter. */
export function testContent(size: number, seed: number): TestContent {
  const bytes = Buffer.alloc(size)
  let block = createHash('sha512').update(`seed ${seed}`).digest()
  for (let at = 0; at < size; at += block.byteLength * 64) {
    block = createHash('sha512').update(block).digest()
    for (let copy = 0; copy < 64 && at + copy * 64 < size; copy++) {
      bytes.set(block.subarray(0, Math.min(64, size - at - copy * 64)), at + copy * 64)
      bytes[at + copy * 64] = copy
    }
  }
  return { bytes, size, sha256: createHash('sha256').update(bytes).digest('hex'), open: () => chunksOf(bytes, [1024 * 1024]) }
}

/** The same without saying how much it is. */
export function unannounced({ open }: TestContent): Reopenable {
  return { open }
}
