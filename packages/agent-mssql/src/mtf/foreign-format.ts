/** First bytes of what is found under the name of a backup by mistake. */
const known: readonly (readonly [magic: string, name: string])[] = [
  ['1f8b', 'a gzip file'],
  ['28b52ffd', 'a zstd file'],
  ['504b0304', 'a zip file'],
  ['377abcaf271c', 'a 7-Zip file'],
  ['526172211a07', 'a RAR file'],
  ['fd377a585a00', 'an xz file'],
  ['010f', 'a data file of SQL Server (.mdf or .ndf), not a backup'],
  ['fe62696e', 'a MySQL binlog'],
  ['efbbbf', 'a text'],
  ['fffe', 'a text'],
]

/** @param begin the first bytes of the file, as many as there are up to 512 */
export function describeForeign(begin: Buffer): string {
  if (begin.length === 0) return 'the file is empty'
  if (begin.every((byte) => byte === 0)) return 'it begins with zeros only'
  const hex = begin.toString('hex')
  const name = known.find(([magic]) => hex.startsWith(magic))?.[1]
  if (name !== undefined) return `it is ${name}`
  const text = begin.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) ? ', which looks like text' : ''
  return `it begins with 0x${hex.slice(0, 16)}${text} instead of TAPE or MSSQLBAK`
}
