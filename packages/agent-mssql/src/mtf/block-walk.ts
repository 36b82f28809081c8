import { damaged, tooLarge, truncated } from './backup-file-damage.ts'
import { type BlockHeader, blockHeaderBytes, readBlockHeader } from './block-header.ts'
import type { SourceWindow } from './source-window.ts'
import { readStreamHeader, streamHeaderBytes } from './stream-header.ts'

/** A block or one of its streams, in the order of the file. Offsets are in bytes from its beginning. */
export type WalkEvent =
  | { readonly type: 'block'; readonly offset: number; readonly header: BlockHeader; readonly bytes: Buffer }
  | { readonly type: 'stream'; readonly block: string; readonly id: string; readonly offset: number; readonly length: number }

/** Blocks begin at multiples of it on every disk. */
const alignment = 512
/** Blocks of a tape mark have no streams: the next block follows. */
const filemark = 'SFMB'
const lastStream = 'SPAD'
/** Beyond what SQL Server writes for its largest databases; bounds the work that a hostile file can ask for. */
export const mostHeadersByDefault = 4_000_000
/** Zeros behind the end, up to the largest block size there is. */
const mostPadding = 64 * 1024

/**
 * Walks all blocks and streams of a file from one header to the next; data is skipped. Never looks for anything, and trusts no length: each must lie
 * within the file, so that the work is bounded by the headers. The bytes of an event are to be used before the next one is asked for. Throws
 * `CORRUPTED`, or `UNSUPPORTED` beyond `mostHeaders`.
 *
 * @param isEnd asked where no block stands: whether the file may end there, so that zeros may follow
 */
export async function* walkBlocks(
  window: SourceWindow,
  { mostHeaders = mostHeadersByDefault, isEnd }: { readonly mostHeaders?: number; readonly isEnd: () => boolean },
): AsyncGenerator<WalkEvent, void, undefined> {
  const budget = { left: mostHeaders }
  let offset = 0
  while (offset < window.size) {
    if (isEnd() && (await onlyZerosFollow(window, offset))) return
    spend(budget, offset)
    if (!window.has(offset, blockHeaderBytes)) throw truncated(offset, window.size, `within the header of the block at offset ${offset}`)
    const header = readBlockHeader(await window.bytes(offset, blockHeaderBytes), offset)
    const { type, firstEvent } = header
    if (!window.has(offset, firstEvent)) {
      throw truncated(offset, window.size, `and block ${type} at offset ${offset} has ${firstEvent} bytes`)
    }
    yield { type: 'block', offset, header, bytes: await window.bytes(offset, firstEvent) }
    const end = offset + firstEvent
    offset = type === filemark ? end : yield* walkStreams(window, { block: type, offset: end, budget })
    if (offset % alignment !== 0) throw damaged(offset, `the block behind ${type} does not begin at a multiple of ${alignment} bytes`)
  }
}

interface Budget {
  left: number
}

/** Returns where the block behind the streams begins. */
async function* walkStreams(
  window: SourceWindow,
  { block, offset: begin, budget }: { readonly block: string; readonly offset: number; readonly budget: Budget },
): AsyncGenerator<WalkEvent, number, undefined> {
  let offset = begin
  while (true) {
    spend(budget, offset)
    if (!window.has(offset, streamHeaderBytes)) {
      throw truncated(offset, window.size, `where a stream of block ${block} was expected at offset ${offset}`)
    }
    const { id, length } = readStreamHeader(await window.bytes(offset, streamHeaderBytes), offset)
    const data = offset + streamHeaderBytes
    if (length > BigInt(window.size - data)) {
      throw truncated(offset, window.size, `and stream ${id} of block ${block} at offset ${offset} has ${length} bytes`)
    }
    yield { type: 'stream', block, id, offset: data, length: Number(length) }
    const end = data + Number(length)
    if (id === lastStream) return end
    offset = Math.ceil(end / 4) * 4
  }
}

function spend(budget: Budget, offset: number): void {
  if (budget.left === 0) throw tooLarge(offset, 'it has more blocks and streams than are read')
  budget.left--
}

async function onlyZerosFollow(window: SourceWindow, offset: number): Promise<boolean> {
  const length = window.size - offset
  if (length > mostPadding || (await window.bytes(offset, 1))[0] !== 0) return false
  return (await window.bytes(offset, length)).every((byte) => byte === 0)
}
