import { discard } from '@backup-planet/core/memory'
import { compress, decompress } from './zstd.ts'

/** Marks a JSON document behind it that is compressed with zstd; restic, doc/design.rst, "Unpacked Data Format". */
const compressedJson = 2
/** `[` and `{`: plain JSON, as version 1 writes it and version 2 allows it. */
const plainJson: readonly number[] = [0x5b, 0x7b]

/** An index of restic is kept below 8 MiB compressed; what would fill the memory is refused. */
const mostBytes = 128 * 1024 ** 2

/** The plaintext of an index, lock or snapshot file of format version 2. */
export function encodeUnpacked(json: string): Buffer {
  const text = Buffer.from(json, 'utf8')
  const compressed = compress(text, 3)
  discard(text)
  const plaintext = Buffer.concat([Buffer.of(compressedJson), compressed])
  discard(compressed)
  return plaintext
}

/** Throws a `SyntaxError` or `RangeError` that says what is wrong. */
export function decodeUnpacked(plaintext: Uint8Array): unknown {
  const [encoding = -1] = plaintext
  if (plainJson.includes(encoding)) return JSON.parse(Buffer.from(plaintext).toString('utf8'))
  if (encoding !== compressedJson) throw new SyntaxError(`its encoding version is ${encoding}, and 2 is the newest that is known`)
  return JSON.parse(decompress(plaintext.subarray(1), mostBytes).toString('utf8'))
}
