import { createHash } from 'node:crypto'

/** Longest encoded segment in bytes; leaves room for suffixes below the 255 of common file systems. */
const longest = 200

/**
 * Any name as one file or key segment that is safe on every file system: bytes outside `A-Z a-z 0-9 _ - . $` become
 * `%XX` of their UTF-8 (half a surrogate pair, which Windows allows in names, of its WTF-8), so do a leading dot or dash, and a Windows device name gets its first letter encoded. Names longer
 * than 200 encoded bytes are cut and end in `%~` and 16 hex digits of their SHA-256, so that two names never share a segment.
 */
export function encodeSegment(name: string): string {
  const bytes = bytesOfName(name)
  if (bytes.length === 0) return '%'
  let encoded = ''
  for (const [index, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte)
    const plain = /[A-Za-z0-9_$]/.test(character) || ((character === '-' || character === '.') && index > 0 && index < bytes.length - 1)
    encoded += plain ? character : percent(byte)
  }
  if (/^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i.test(encoded)) encoded = percent(bytes[0] ?? 0) + encoded.slice(1)
  if (encoded.length <= longest) return encoded
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  return `${encoded.slice(0, longest - 18).replace(/%.?$/, '')}%~${digest}`
}

/** The inverse for names that were not cut; `undefined` for cut ones and for text that `encodeSegment` never writes. */
export function decodeSegment(segment: string): string | undefined {
  if (segment === '%') return ''
  if (segment.includes('%~')) return undefined
  const bytes: number[] = []
  for (let index = 0; index < segment.length; index++) {
    if (segment[index] === '%') {
      const hex = segment.slice(index + 1, index + 3)
      if (!/^[0-9A-F]{2}$/.test(hex)) return undefined
      bytes.push(Number.parseInt(hex, 16))
      index += 2
    } else bytes.push(segment.charCodeAt(index))
  }
  const name = nameOfBytes(Buffer.from(bytes))
  return encodeSegment(name) === segment ? name : undefined
}

/** UTF-8, or WTF-8 (Simon Sapin, "The WTF-8 encoding", section 3) where a name holds half a surrogate pair: UTF-8 has one replacement for all of them. */
function bytesOfName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name, 'utf8')
  return Buffer.concat(
    [...name].map((character) => {
      const code = character.codePointAt(0) ?? 0
      if (code < 0xd800 || code > 0xdfff) return Buffer.from(character, 'utf8')
      return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)])
    }),
  )
}

function nameOfBytes(bytes: Buffer): string {
  let name = ''
  let begin = 0
  for (let index = 0; index + 2 < bytes.length; index++) {
    const [first = 0, second = 0, third = 0] = bytes.subarray(index, index + 3)
    if (first !== 0xed || second < 0xa0) continue
    name += bytes.toString('utf8', begin, index) + String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f))
    index += 2
    begin = index + 1
  }
  return name + bytes.toString('utf8', begin)
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
