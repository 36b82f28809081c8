import { writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import { describe, expect, it } from 'vitest'
import { fullBackup, ids, logBackup, sourceOf } from './__fixtures__/written-media.ts'
import { type NamedBackupFile, verifyBackupFile, verifyBackupFiles } from './verify-backup-files.ts'

function striped(stripes: number, medium: Partial<Parameters<typeof writeBackupFiles>[0]> = {}): readonly NamedBackupFile[] {
  const files = writeBackupFiles({ backups: [fullBackup()], stripes, mediaSetId: ids.media, ...medium })
  return files.map((bytes, index) => ({ name: `shop-${index + 1}.bak`, source: sourceOf(bytes) }))
}

describe('the files of a striped backup', () => {
  it('are whole together, in any order', async () => {
    expect(await verifyBackupFiles(striped(3).toReversed())).toEqual([])
  })

  it('are useless when one is missing', async () => {
    const [first, , third] = striped(3)
    const missing = await verifyBackupFiles([first, third].filter((file) => file !== undefined))
    expect(missing).toMatchObject([
      { severity: 'error', code: 'NOT_FOUND', message: `stripe 2 of 3 of media set ${ids.media} is not among the files` },
    ])
    expect(first && (await verifyBackupFile(first))).toMatchObject([
      { code: 'NOT_FOUND', message: expect.stringContaining('stripe 2 of 3') },
      { code: 'NOT_FOUND', message: expect.stringContaining('stripe 3 of 3') },
    ])
  })

  it('do not belong together when one was written by another backup', async () => {
    const [first] = striped(2)
    const [, second] = striped(2, { backups: [logBackup()] })
    const files = [first, second].filter((file) => file !== undefined)
    expect(await verifyBackupFiles(files)).toMatchObject([{ code: 'INCONSISTENT', file: 'shop-2.bak' }])
  })

  it('are told apart by their media sets', async () => {
    const [, second] = striped(2, { mediaSetId: 'C084C051-6551-4ED6-91ED-137F455FB04F' })
    const [first] = striped(2)
    const findings = await verifyBackupFiles([first, second].filter((file) => file !== undefined))
    expect(findings.map(({ message }) => message)).toEqual([
      `stripe 2 of 2 of media set ${ids.media} is not among the files`,
      'stripe 1 of 2 of media set C084C051-6551-4ED6-91ED-137F455FB04F is not among the files',
    ])
  })

  it('say which of them is damaged', async () => {
    const [bytes = Buffer.alloc(0)] = writeBackupFiles({ backups: [logBackup()] })
    const [whole] = striped(1)
    const files = [
      { name: 'cut.trn', source: sourceOf(bytes.subarray(0, -512)) },
      { name: 'text', source: sourceOf(Buffer.from('hello')) },
    ]
    expect(await verifyBackupFiles(whole === undefined ? files : [whole, ...files])).toMatchObject([
      { file: 'cut.trn', code: 'CORRUPTED', severity: 'error' },
      { file: 'text', code: 'INVALID_INPUT', severity: 'error' },
    ])
  })
})
