import { createHash } from 'node:crypto'

/** Bytes of a table in memory: 256 keys of 64 bits. */
export const gearTableBytes = 256 * 8

/**
 * One key of 64 bits for every value that a byte can have, drawn from the repository's secret `chunker_polynomial` by SHA-256 in counter
 * mode: block n is SHA-256(`label ‖ polynomial ‖ NUL ‖ n`), its 32 bytes are four keys, little-endian. The same polynomial cuts alike on
 * every machine, and who does not know it cannot tell from the sizes of chunks which published file they are of.
 *
 * @param chunkerPolynomial as the config of the repository spells it (restic's doc/design.rst, "Repository Format")
 */
export function gearTable(chunkerPolynomial: string): BigUint64Array {
  const table = new BigUint64Array(256)
  for (let block = 0; block < 64; block++) {
    const digest = createHash('sha256').update(`backup-planet gear table\0${chunkerPolynomial}\0${block}`).digest()
    for (let key = 0; key < 4; key++) table[block * 4 + key] = digest.readBigUInt64LE(key * 8)
  }
  return table
}
