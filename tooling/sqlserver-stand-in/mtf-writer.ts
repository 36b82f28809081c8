import { MtfBlocks } from './mtf-blocks.ts'
import { description, type WrittenBackup } from './mtf-description.ts'
import { AddressedBytes, dateBytes, guidBytes } from './mtf-values.ts'

export type { WrittenBackup, WrittenFile } from './mtf-description.ts'
export type { WrittenLsn } from './mtf-values.ts'

/** What one or several BACKUP statements wrote to the same file or files. */
export interface WrittenMedium {
  /** In the order in which they were appended; none for a medium that was only initialised. */
  readonly backups: readonly WrittenBackup[]
  /** 512, or the size of the sectors of the disk or BLOCKSIZE. */
  readonly alignment?: 512 | 4096 | 8192 | 16384 | 32768
  readonly stripes?: number
  readonly mediaSetId?: string
  readonly name?: string
  readonly description?: string
  readonly hasPassword?: boolean
  readonly software?: string
  readonly createdAt?: string
}

const pageBytes = 8192
const differential = 8
const normal = 4

/**
 * The files of a medium, one for each stripe, as SQL Server lays them out: blocks, streams and checksums of the tape format, and the records of SQL
 * Server where their layout is known; all else is zero. A server would not restore them, since their pages are whatever the caller gives.
 */
export function writeBackupFiles(medium: WrittenMedium): readonly Buffer[] {
  const stripes = medium.stripes ?? 1
  return Array.from({ length: stripes }, (_, index) => writeStripe(medium, index + 1, stripes))
}

function writeStripe(medium: WrittenMedium, stripe: number, stripes: number): Buffer {
  const blocks = new MtfBlocks(medium.alignment ?? 512)
  blocks.block('TAPE', tapeBlock(medium, stripe, blocks), [{ id: 'RAID', data: raidStream(medium, stripe, stripes) }])
  blocks.mark()
  for (const [index, backup] of medium.backups.entries()) writeSet(blocks, backup, { position: index + 1, stripe, stripes })
  return blocks.bytes()
}

function tapeBlock(medium: WrittenMedium, stripe: number, blocks: MtfBlocks): Buffer {
  const block = new AddressedBytes(94)
  block.fixed.writeUInt32LE(0x1234_5600 + stripe, 52)
  block.fixed.writeUInt32LE(5, 56)
  block.fixed.writeUInt16LE(1, 60)
  block.fixed.writeUInt16LE(blocks.markBytes / 512, 64)
  block.fixed.writeUInt16LE(blocks.blockBytes, 84)
  block.fixed.writeUInt16LE(0x1200, 86)
  block.fixed[93] = 1
  return block
    .put(88, dateBytes(medium.createdAt ?? '2024-01-01T00:00:00'))
    .address(68, medium.name ?? '')
    .address(72, medium.description ?? '')
    .address(76, medium.hasPassword === true ? Buffer.alloc(16, 0x5a) : '')
    .address(80, medium.software ?? 'Microsoft SQL Server\0\0')
    .bytes()
}

function raidStream(medium: WrittenMedium, stripe: number, stripes: number): Buffer {
  const data = Buffer.alloc(32)
  guidBytes(medium.mediaSetId ?? 'C084C051-6551-4ED6-91ED-137F455FB04F').copy(data)
  data.writeUInt32LE(0xf000_00ad, 16)
  data.writeUInt16LE(stripes, 20)
  data.writeUInt16LE(1, 22)
  data.writeUInt16LE(stripe, 24)
  return data
}

interface SetPlace {
  readonly position: number
  readonly stripe: number
  readonly stripes: number
}

/** Blocks in the order SSET, VOLB, MSCI, MSDA of each data file, MSTL, MSLS, mark, ESET twice, mark. A log backup has no MSDA. */
function writeSet(blocks: MtfBlocks, backup: WrittenBackup, place: SetPlace): void {
  const backupBytes = backup.files.reduce((sum, { pages }) => sum + (pages?.length ?? 0), 0) + (backup.log?.length ?? 0)
  const attributes = 'IGQ'.includes(backup.kind) ? differential : normal
  blocks.beginSet()
  blocks.block('SSET', setBlock(backup, attributes, place.position))
  blocks.block('VOLB', new AddressedBytes(68).bytes())
  blocks.block('MSCI', descriptionBlock(), [{ id: 'MQCI', data: description(backup, { isFinal: false, backupBytes: 0 }) }])
  for (const { kind, pages } of backup.files) {
    if (backup.kind === 'L' || kind === 'log') continue
    const data = Buffer.concat([Buffer.alloc(2), stripeOf(pages ?? Buffer.alloc(0), place)])
    blocks.block('MSDA', Buffer.alloc(60), [
      { id: 'MQDA', data, mediaAttributes: 2 },
      { id: 'MQDA', data: Buffer.alloc(0), mediaAttributes: 6 },
    ])
  }
  const log = Buffer.concat([Buffer.alloc(2), place.stripe === 1 ? (backup.log ?? Buffer.alloc(0)) : Buffer.alloc(0)])
  blocks.block('MSTL', Buffer.alloc(596), [{ id: 'MQTL', data: log }])
  blocks.block('MSLS', descriptionBlock(), [{ id: 'MQCI', data: description(backup, { isFinal: true, backupBytes }) }])
  blocks.mark()
  blocks.block('ESET', endBlock(backup, attributes))
  blocks.block('ESET', endBlock(backup, attributes))
  blocks.mark()
}

function setBlock(backup: WrittenBackup, attributes: number, position: number): Buffer {
  const block = new AddressedBytes(100)
  block.fixed.writeUInt32LE(attributes, 52)
  block.fixed.writeUInt16LE(0x1200, 60)
  block.fixed.writeUInt16LE(position, 62)
  block.fixed[93] = backup.softwareVersion?.[0] ?? 15
  block.fixed[94] = backup.softwareVersion?.[1] ?? 0
  block.fixed.writeInt8(backup.timeZone ?? 0, 95)
  return block
    .put(88, dateBytes(backup.startedAt))
    .address(44, Buffer.concat([guidBytes(backup.setGuid), Buffer.alloc(5)]))
    .address(64, backup.name ?? '')
    .address(68, backup.description ?? '')
    .address(72, backup.hasPassword === true ? Buffer.alloc(16, 0x5a) : '')
    .address(76, backup.user ?? 'DOMAIN\\backup')
    .bytes()
}

function descriptionBlock(): Buffer {
  return Buffer.alloc(56)
}

function endBlock(backup: WrittenBackup, attributes: number): Buffer {
  const block = new AddressedBytes(88)
  block.fixed.writeUInt32LE(attributes, 52)
  return block.put(80, dateBytes(backup.startedAt)).bytes()
}

/** Pages go to the stripes in turn. */
function stripeOf(pages: Buffer, { stripe, stripes }: SetPlace): Buffer {
  const own: Buffer[] = []
  for (let offset = (stripe - 1) * pageBytes; offset < pages.length; offset += stripes * pageBytes) {
    own.push(pages.subarray(offset, offset + pageBytes))
  }
  return Buffer.concat(own)
}
