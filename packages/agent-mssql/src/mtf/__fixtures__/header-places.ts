import { blockHeaderBytes } from '../block-header.ts'
import { walkBlocks } from '../block-walk.ts'
import { SourceWindow } from '../source-window.ts'
import { streamHeaderBytes } from '../stream-header.ts'
import { sourceOf } from './written-media.ts'

export interface HeaderPlace {
  readonly what: string
  readonly offset: number
  /** Bytes that the checksum at their end covers. */
  readonly length: number
}

/** All headers of a whole file. */
export async function headerPlaces(bytes: Uint8Array): Promise<readonly HeaderPlace[]> {
  const places: HeaderPlace[] = []
  for await (const event of walkBlocks(new SourceWindow(sourceOf(bytes)), { isEnd: () => false })) {
    if (event.type === 'block') places.push({ what: event.header.type, offset: event.offset, length: blockHeaderBytes })
    else places.push({ what: event.id, offset: event.offset - streamHeaderBytes, length: streamHeaderBytes })
  }
  return places
}

/** Makes the checksum of a header right again after a change. */
export function sealHeader(bytes: Buffer, { offset, length }: HeaderPlace): void {
  let sum = 0
  for (let at = offset; at < offset + length - 2; at += 2) sum ^= bytes.readUInt16LE(at)
  bytes.writeUInt16LE(sum, offset + length - 2)
}
