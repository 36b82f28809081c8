import { damaged } from './backup-file-damage.ts'

/** Where a text lies: length in bytes, then offset from the beginning of the block or record. Source: "Microsoft Tape Format Specification" 1.00a, MTF_TAPE_ADDRESS. */
export interface TextPlace {
  /** The block or record. */
  readonly bytes: Buffer
  /** Of the block or record in the file, for messages. */
  readonly begin: number
  readonly encoding: 'utf16le' | 'latin1'
}

/** The text whose address stands `at` an offset of the block or record; empty where there is none. Throws `CORRUPTED` for one that lies outside. */
export function addressedText({ bytes, begin, encoding }: TextPlace, at: number, what: string): string {
  const length = bytes.readUInt16LE(at)
  const offset = bytes.readUInt16LE(at + 2)
  if (length === 0) return ''
  if (offset + length > bytes.length) {
    throw damaged(begin + at, `the ${what} is said to have ${length} bytes at ${offset}, and there are only ${bytes.length}`)
  }
  const text = bytes.toString(encoding, offset, offset + length)
  // The name of the software is stored with its terminators.
  return text.slice(0, text.length - trailingNuls(text))
}

function trailingNuls(text: string): number {
  let count = 0
  while (count < text.length && text.charCodeAt(text.length - 1 - count) === 0) count++
  return count
}
