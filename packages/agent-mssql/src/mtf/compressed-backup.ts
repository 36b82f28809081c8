import { truncated } from './backup-file-damage.ts'
import { hasWordChecksum } from './checked-header.ts'
import type { SourceWindow } from './source-window.ts'

/** What a backup begins with that SQL Server compressed or encrypted itself; the blocks of the tape format are inside of what is compressed. */
export const compressedMagic = 'MSSQLBAK'

const alignment = 512
const checkedWords = 25
/** The first mark stands behind a head of one block, which is as large as the sectors or blocks of the device. */
const largestHead = 64 * 1024
const filemarkCount = 56

/**
 * Throws `CORRUPTED` where the end is missing: a compressed backup ends with a mark, `SFMB`, that counts the marks before it, and every set has two.
 * Nothing else can be told without decompressing. Source: published backups.
 */
export async function checkCompressedEnd(window: SourceWindow): Promise<void> {
  const head = await window.bytes(0, Math.min(window.size, largestHead + alignment))
  const first = firstMark(head)
  const markBytes = first === undefined ? 0 : head.readUInt16LE(first + 8)
  const last = window.size - markBytes
  if (first === undefined || markBytes < alignment || last <= first + markBytes) {
    throw truncated(first ?? 0, window.size, 'before anything of a backup')
  }
  const mark = await window.bytes(last, alignment)
  if (!isMark(mark, 0) || mark.readUInt32LE(filemarkCount) < 2 || mark.readUInt32LE(filemarkCount) % 2 !== 0) {
    throw truncated(last, window.size, `and the mark SFMB that ends a backup was expected at offset ${last}`)
  }
}

function firstMark(head: Buffer): number | undefined {
  for (let offset = alignment; offset + alignment <= head.length; offset += alignment) {
    if (isMark(head, offset)) return offset
  }
  return undefined
}

function isMark(bytes: Buffer, offset: number): boolean {
  return bytes.toString('latin1', offset, offset + 4) === 'SFMB' && hasWordChecksum(bytes, offset, checkedWords)
}
