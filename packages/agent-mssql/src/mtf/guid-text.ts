export const guidBytes = 16

/** As SQL Server prints a `uniqueidentifier`: the first three groups are stored little-endian. `undefined` where all is zero. */
export function readGuid(bytes: Buffer, offset: number): string | undefined {
  const stored = bytes.subarray(offset, offset + guidBytes)
  if (stored.every((byte) => byte === 0)) return undefined
  const groups = [reversed(stored, 0, 4), reversed(stored, 4, 6), reversed(stored, 6, 8), hex(stored, 8, 10), hex(stored, 10, 16)]
  return groups.join('-').toUpperCase()
}

function hex(bytes: Buffer, begin: number, end: number): string {
  return bytes.toString('hex', begin, end)
}

function reversed(bytes: Buffer, begin: number, end: number): string {
  return Buffer.from(bytes.subarray(begin, end)).reverse().toString('hex')
}
