import { createCipheriv, createHash } from 'node:crypto'
import type { Reopenable } from '@backup-planet/core'
import { chunksOf, sha256Of } from '@backup-planet/core/testing'

export interface TestContent extends Reopenable {
  readonly bytes: Buffer
  readonly size: number
  readonly sha256: string
}

/** Bytes that no other seed has, made quickly: AES in counter mode, of zeros. */
export function testContent(size: number, seed: number): TestContent {
  const key = createHash('sha256').update(`seed ${seed}`).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(Math.min(size, 16 * 1024 ** 2))
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += zeros.byteLength) bytes.set(cipher.update(zeros.subarray(0, size - at)), at)
  return { bytes, size, sha256: sha256Of(bytes), open: () => chunksOf(bytes, [1024 * 1024]) }
}

/** The same without saying how much it is. */
export function unannounced({ open }: TestContent): Reopenable {
  return { open }
}
