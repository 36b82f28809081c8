import { addressedText } from './addressed-text.ts'
import { assertBytes, damaged } from './backup-file-damage.ts'
import type { MediaFacts } from './backup-file-facts.ts'
import type { BlockHeader } from './block-header.ts'
import { readGuid } from './guid-text.ts'
import { readPackedDate } from './packed-date.ts'

const leastMediaHeader = 93
/** What is read of the stream `RAID`. */
export const stripeBytes = 26
/** BACKUP takes at most so many. */
const mostStripes = 64

/** Without what the stream `RAID` adds. Throws `CORRUPTED`. */
export function readMediaHeader(header: BlockHeader, bytes: Buffer, offset: number): MediaFacts {
  assertBytes(bytes.length, leastMediaHeader, { what: 'block TAPE', offset })
  const place = { bytes, begin: offset, encoding: header.encoding }
  const createdAt = readPackedDate(bytes, 88)
  return {
    familyId: bytes.readUInt32LE(52),
    stripe: 1,
    stripes: 1,
    mirrors: 1,
    hasPassword: bytes.readUInt16LE(76) > 0,
    name: addressedText(place, 68, 'name of the medium'),
    description: addressedText(place, 72, 'description of the medium'),
    software: addressedText(place, 80, 'name of the software'),
    ...(createdAt === undefined ? {} : { createdAt }),
  }
}

/** Source: published backups, striped and not: GUID of the media set, then counts of stripes and mirrors and the number of this file. */
export function readStripes(bytes: Buffer, offset: number): Pick<MediaFacts, 'mediaSetId' | 'stripe' | 'stripes' | 'mirrors'> {
  const [stripes, stripe] = [bytes.readUInt16LE(20), bytes.readUInt16LE(24)]
  const mirrors = Math.max(1, bytes.readUInt16LE(22))
  // How mirrors number their files is not known: they may go on counting.
  if (stripes < 1 || stripes > mostStripes || stripe < 1 || stripe > stripes * mirrors) {
    throw damaged(offset, `stripe ${stripe} of ${stripes} is no stripe, 1 to ${mostStripes} were expected`)
  }
  const mediaSetId = readGuid(bytes, 0)
  return { stripe, stripes, mirrors, ...(mediaSetId === undefined ? {} : { mediaSetId }) }
}
