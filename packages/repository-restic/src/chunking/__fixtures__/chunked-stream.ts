import { createCipheriv, createHash } from 'node:crypto'
import type { ChunkLimits } from '../chunker.ts'
import { Chunker, chunkLimits, compileChunker } from '../chunker.ts'
import { gearTable, gearTableBytes } from '../gear-table.ts'
import { createSharedMemory, type SharedMemory } from '../webassembly.ts'

const module = compileChunker()
const page = 65_536

/** Bytes that look random and are the same for the same seed. */
export function noise(bytes: number, seed: string): Uint8Array<ArrayBuffer> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return Uint8Array.from(cipher.update(Buffer.alloc(bytes)))
}

/** A memory with the table of a polynomial at its beginning, and room for so many bytes behind it. */
export function memoryFor(bytes: number, polynomial: string): SharedMemory {
  const pages = Math.ceil((gearTableBytes + bytes) / page)
  const memory = createSharedMemory({ initial: pages, maximum: pages })
  new BigUint64Array(memory.buffer, 0, 256).set(gearTable(polynomial))
  return memory
}

export function chunkerOn(memory: SharedMemory, limits: ChunkLimits = chunkLimits): Chunker {
  return new Chunker(module, memory, 0, limits)
}

/** Where the chunks of the content end when it is looked at as a whole; the last end is that of the content. */
export function chunkEnds(content: Uint8Array, polynomial: string, limits: ChunkLimits = chunkLimits): readonly number[] {
  const memory = memoryFor(content.length, polynomial)
  new Uint8Array(memory.buffer).set(content, gearTableBytes)
  const chunker = chunkerOn(memory, limits)
  const ends: number[] = []
  for (let begin = gearTableBytes; ; ) {
    chunker.begin(begin)
    const end = chunker.scan(gearTableBytes + content.length)
    if (end === -1) break
    ends.push(end - gearTableBytes)
    begin = end
  }
  if (content.length > (ends.at(-1) ?? 0)) ends.push(content.length)
  return ends
}
