import { createHash } from 'node:crypto'

/** Longest encoded segment in bytes; leaves room for suffixes below the 255 of common file systems. */
const longest = 200

/**
 * Any name as one file or key segment that is safe on every file system: bytes outside `A-Z a-z 0-9 _ - . $` become
 * `%XX` of their UTF-8, so do a leading dot or dash, and a Windows device name gets its first letter encoded. Names longer
 * than 200 encoded bytes are cut and end in `%~` and 16 hex digits of their SHA-256, so that two names never share a segment.
 */
export function encodeSegment(name: string): string {
  const bytes = Buffer.from(name, 'utf8')
  if (bytes.length === 0) return '%'
  let encoded = ''
  for (const [index, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte)
    const plain = /[A-Za-z0-9_$]/.test(character) || ((character === '-' || character === '.') && index > 0 && index < bytes.length - 1)
    encoded += plain ? character : percent(byte)
  }
  if (/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(encoded)) encoded = percent(bytes[0] ?? 0) + encoded.slice(1)
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
  const name = Buffer.from(bytes).toString('utf8')
  return encodeSegment(name) === segment ? name : undefined
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
