import { type Lsn, lsnOf } from '../lsn.ts'

/** Ten bytes: file and block as u32, slot as u16. Source: published backups beside what a server printed of them. */
export function readLsn(bytes: Buffer, offset: number): Lsn {
  return lsnOf({
    virtualLogFile: bytes.readUInt32LE(offset),
    block: bytes.readUInt32LE(offset + 4),
    slot: bytes.readUInt16LE(offset + 8),
  })
}
