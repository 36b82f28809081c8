import { BackupError } from '@backup-planet/core'

/** Lines of a data file without their end; rows never hold a bare line feed. Throws `CORRUPTED` when the last one has no end. */
export async function* rowLines(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  for await (const part of content) {
    let begin = 0
    for (let end = part.indexOf(0x0a); end >= 0; end = part.indexOf(0x0a, begin)) {
      pending.push(part.subarray(begin, end))
      yield pending.length === 1 ? (pending[0] ?? Buffer.alloc(0)) : Buffer.concat(pending)
      pending = []
      begin = end + 1
    }
    if (begin < part.length) pending.push(part.subarray(begin))
  }
  if (pending.length > 0) {
    throw new BackupError('a data file ends in the middle of a row', {
      code: 'CORRUPTED',
      hint: 'Nothing of this file was kept. Restore this item from another backup.',
    })
  }
}
