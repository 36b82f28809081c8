import { damaged, tooLarge } from './backup-file-damage.ts'

/** One record of the stream `MQCI`, in which SQL Server describes what it backs up. */
export interface DescriptionRecord {
  /** `SCIN` of the backup, `SFGI` of a filegroup, `SFIN` of a file; there are others. */
  readonly tag: string
  /** Where it begins in the file. */
  readonly offset: number
  /** The record as it stands there, with tag and length. */
  readonly bytes: Buffer
}

const recordHeaderBytes = 8
/** A database has at most 32767 files and as many filegroups. */
const mostRecords = 70_000

/** The records one behind the other: tag, length as u32, data. Throws `CORRUPTED` for a length that is none, `UNSUPPORTED` for more than any database has.
 * Source: published backups. */
export function readDescriptionRecords(bytes: Buffer, offset: number): readonly DescriptionRecord[] {
  const records: DescriptionRecord[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + recordHeaderBytes > bytes.length) throw damaged(offset + at, `the description ends within a record`)
    const tag = bytes.toString('latin1', at, at + 4)
    const length = bytes.readUInt32LE(at + 4)
    if (!/^[A-Z]{4}$/.test(tag)) {
      throw damaged(offset + at, `a record was expected, and 0x${bytes.toString('hex', at, at + 4)} stands there`)
    }
    if (length < recordHeaderBytes || length > bytes.length - at) {
      throw damaged(offset + at, `record ${tag} says that it has ${length} bytes, and there are ${bytes.length - at}`)
    }
    if (records.length === mostRecords) throw tooLarge(offset + at, `its description has more than ${mostRecords} records`)
    records.push({ tag, offset: offset + at, bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return records
}

/** The record with zeros behind it, up to `length`: earlier versions of SQL Server wrote shorter ones, and a zero means that a field is not set. */
export function zeroExtended(record: DescriptionRecord, length: number): Buffer {
  return record.bytes.length >= length ? record.bytes : Buffer.concat([record.bytes], length)
}
