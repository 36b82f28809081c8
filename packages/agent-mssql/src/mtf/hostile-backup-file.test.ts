import { writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import { describe, expect, it } from 'vitest'
import { sealHeader } from './__fixtures__/header-places.ts'
import { fullBackup, logBackup, sourceOf } from './__fixtures__/written-media.ts'
import type { BackupFileSource } from './backup-file-source.ts'
import { inspectBackupFile } from './inspect-backup-file.ts'

const [file = Buffer.alloc(0)] = writeBackupFiles({ backups: [logBackup()] })

/** A file that begins with `begin` and goes on with `again` for ever; only as much is made as is read. */
function endless(begin: Buffer, again: Buffer, size: number): BackupFileSource & { readonly most: number } {
  const seen = { most: 0 }
  return {
    size,
    async read(offset, length) {
      seen.most = Math.max(seen.most, length)
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; ) {
        const from = offset + at
        const [part, begins] = from < begin.length ? [begin, from] : [again, (from - begin.length) % again.length]
        at += part.copy(bytes, at, begins)
      }
      return bytes
    },
    get most() {
      return seen.most
    },
  }
}

describe('hostile backup files', () => {
  it.each([
    ['blocks', 'VOLB', 'MSCI'],
    ['marks', 'SFMB', 'SSET'],
  ])('with %s without end are read up to a number', async (_, from, to) => {
    const [begin, end] = [file.indexOf(from), file.indexOf(to)]
    const source = endless(file.subarray(0, begin), file.subarray(begin, end), 2 ** 45)
    const { findings } = await inspectBackupFile(source, { mostHeaders: 20_000 })
    expect(findings).toMatchObject([
      { severity: 'error', code: 'UNSUPPORTED', message: expect.stringContaining('more blocks and streams') },
    ])
    expect(source.most).toBeLessThanOrEqual(64 * 1024)
  })

  it('with sets without end are read up to a number', async () => {
    const begin = file.indexOf('SSET')
    const source = endless(file.subarray(0, begin), file.subarray(begin, file.indexOf('VOLB')), 2 ** 45)
    const { findings, facts } = await inspectBackupFile(source)
    expect(findings[0]).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('more than 10000 sets') })
    expect(facts?.sets).toHaveLength(10_000)
  })

  it('with a description of a gigabyte are not read into memory', async () => {
    const begin = Buffer.from(file.subarray(0, file.indexOf('SCIN')))
    const at = begin.indexOf('MQCI')
    begin.writeBigUInt64LE(2n ** 30n, at + 8)
    sealHeader(begin, { what: 'MQCI', offset: at, length: 22 })
    const source = endless(begin, Buffer.alloc(1024), 2 ** 45)
    const { findings } = await inspectBackupFile(source)
    expect(findings).toMatchObject([{ code: 'UNSUPPORTED', message: expect.stringContaining('1073741824 bytes') }])
    expect(source.most).toBeLessThanOrEqual(64 * 1024)
  })

  it('with more records than any database has are not read on', async () => {
    const records = Buffer.alloc(2 ** 20)
    for (let at = 0; at < records.length; at += 8) {
      records.write('SFXX', at, 'latin1')
      records.writeUInt32LE(8, at + 4)
    }
    const begin = Buffer.from(file.subarray(0, file.indexOf('SCIN')))
    const at = begin.indexOf('MQCI')
    begin.writeBigUInt64LE(BigInt(records.length), at + 8)
    sealHeader(begin, { what: 'MQCI', offset: at, length: 22 })
    const { findings } = await inspectBackupFile(sourceOf(Buffer.concat([begin, records])))
    expect(findings).toMatchObject([{ code: 'UNSUPPORTED', message: expect.stringContaining('records') }])
  })

  it('may name themselves and their files anything', async () => {
    const [bytes = Buffer.alloc(0)] = writeBackupFiles({ backups: [fullBackup({ database: '../\0\u001b[2J]\ud800', server: '' })] })
    const { facts, findings } = await inspectBackupFile(sourceOf(bytes))
    expect(facts?.sets[0]?.backup).toMatchObject({ database: '../\0\u001b[2J]\ud800', server: '' })
    expect(findings).toEqual([])
  })

  it('do not get what they name themselves onto a terminal', async () => {
    const database = `\u001b[2J\u009b\u202e${'x'.repeat(500)}`
    const [bytes = Buffer.alloc(0)] = writeBackupFiles({ backups: [fullBackup({ flags: 0x20, database })] })
    const [finding] = (await inspectBackupFile(sourceOf(bytes))).findings
    expect(finding?.message).toMatch(/^set 1 was taken of "\\u001b\[2J\\u009b\\u202ex{100,120}…" although/)
  })
})
