import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ByteRange } from '@backup-planet/core'
import { writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import { afterAll, describe, expect, it } from 'vitest'
import { fullBackup } from './__fixtures__/written-media.ts'
import { openBackupFile, rangedBackupFile } from './backup-file-source.ts'
import { readBackupFile } from './inspect-backup-file.ts'

const folder = await mkdtemp(join(tmpdir(), 'backup-planet-mtf-'))
const [bytes = Buffer.alloc(0)] = writeBackupFiles({ backups: [fullBackup()] })

afterAll(() => rm(folder, { recursive: true, force: true }))

async function* pieces(content: Buffer, { begin, end = content.length }: ByteRange): AsyncIterable<Uint8Array> {
  for (let at = begin; at < end; at += 1000) yield content.subarray(at, Math.min(end, at + 1000))
}

describe('files on this machine', () => {
  it('are named when they cannot be opened', async () => {
    await expect(openBackupFile(join(folder, 'missing.bak'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(openBackupFile(folder)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(openBackupFile(join(folder, 'missing.bak'), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('are read, and what was shortened meanwhile is told', async () => {
    const path = join(folder, 'shop.bak')
    await writeFile(path, bytes)
    await using file = await openBackupFile(path)
    expect((await readBackupFile(file)).sets[0]?.backup?.database).toBe('shop')
    await writeFile(path, bytes.subarray(0, 100))
    await expect(file.read(0, 200)).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('after 100 of 200 bytes') })
  })
})

describe('files that are read by ranges', () => {
  it('give the same', async () => {
    const source = rangedBackupFile('shop.bak', bytes.length, (range) => pieces(bytes, range))
    expect((await readBackupFile(source)).sets[0]?.backup?.database).toBe('shop')
  })

  it('must give what was asked for', async () => {
    const short = rangedBackupFile('shop.bak', bytes.length, ({ begin }) => pieces(bytes, { begin, end: begin + 10 }))
    await expect(short.read(0, 20)).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: 'shop.bak ended after 10 of 20 bytes from offset 0',
    })
    const long = rangedBackupFile('shop.bak', bytes.length, () => pieces(bytes, { begin: 0 }))
    await expect(long.read(0, 20)).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('more than the 20 bytes') })
  })
})
