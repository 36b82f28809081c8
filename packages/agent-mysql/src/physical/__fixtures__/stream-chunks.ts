import { crc32 } from 'node:zlib'

/** Chunks of the formats mbstream and xbstream, for streams as no tool writes them. */
export function chunkHeader(type: string, path: string, flags = 0): Buffer {
  const name = Buffer.from(path, 'latin1')
  const bytes = Buffer.alloc(14)
  bytes.write('XBSTCK01', 'latin1')
  bytes.writeUInt8(flags, 8)
  bytes.write(type, 9, 'latin1')
  bytes.writeUInt32LE(name.length, 10)
  return Buffer.concat([bytes, name])
}

export function chunkLengths(content: Uint8Array, offset: number, checksum = crc32(content)): Buffer {
  const bytes = Buffer.alloc(20)
  bytes.writeBigUInt64LE(BigInt(content.length), 0)
  bytes.writeBigUInt64LE(BigInt(offset), 8)
  bytes.writeUInt32LE(checksum, 16)
  return bytes
}

export function payloadChunk(path: string, content: Uint8Array, offset = 0, checksum?: number): Buffer {
  return Buffer.concat([chunkHeader('P', path), chunkLengths(content, offset, checksum), content])
}

export function sparseChunk(path: string, content: Uint8Array, map: readonly (readonly [skip: number, length: number])[]): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32LE(map.length)
  const entries = Buffer.alloc(map.length * 8)
  for (const [index, [skip, length]] of map.entries()) {
    entries.writeUInt32LE(skip, index * 8)
    entries.writeUInt32LE(length, index * 8 + 4)
  }
  return Buffer.concat([chunkHeader('S', path), size, chunkLengths(content, 0, crc32(content, crc32(entries))), entries, content])
}

export function endChunk(path: string): Buffer {
  return chunkHeader('E', path)
}

/** A whole file. */
export function streamedFile(path: string, content: string | Uint8Array): Buffer {
  return Buffer.concat([payloadChunk(path, Buffer.from(content)), endChunk(path)])
}
