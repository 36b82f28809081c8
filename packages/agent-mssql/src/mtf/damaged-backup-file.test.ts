import { writeBackupFiles } from '@backup-planet/tooling/mtf-writer'
import { describe, expect, it } from 'vitest'
import { headerPlaces, sealHeader } from './__fixtures__/header-places.ts'
import { fullBackup, logBackup, sourceOf } from './__fixtures__/written-media.ts'
import { inspectBackupFile, readBackupFile } from './inspect-backup-file.ts'

const [small = Buffer.alloc(0)] = writeBackupFiles({ backups: [logBackup({ log: Buffer.alloc(600, 9) })] })
const [two = Buffer.alloc(0)] = writeBackupFiles({ backups: [fullBackup(), logBackup()], alignment: 4096 })

async function errorOf(bytes: Buffer): Promise<{ readonly code: string; readonly message: string } | undefined> {
  const { findings, facts } = await inspectBackupFile(sourceOf(bytes))
  const error = findings.find(({ severity }) => severity === 'error')
  if (error !== undefined && facts !== undefined) expect(facts.complete).toBe(false)
  return error
}

describe('damaged backup files', () => {
  it('are told wherever they are cut', async () => {
    for (let length = 0; length < small.length; length += length < 1600 ? 11 : 29) {
      const error = await errorOf(small.subarray(0, length))
      expect(error?.code, `cut to ${length} bytes`).toBe(length < 4 ? 'INVALID_INPUT' : 'CORRUPTED')
      if (length >= 4) expect(error?.message).toContain('truncated')
    }
  })

  it('are told where they are cut at and beside each block', async () => {
    const second = (await readBackupFile(sourceOf(two))).sets[1]?.offset
    expect(second).toBeGreaterThan(0)
    for (let block = 512; block < two.length; block += 1024) {
      for (const length of [block - 1, block, block + 1]) {
        const error = await errorOf(two.subarray(0, length))
        // Behind the first set nothing says that there was a second one.
        if (length === second) expect(error).toBeUndefined()
        else expect(error?.message, `cut to ${length} bytes`).toContain('truncated')
      }
    }
  })

  it('keep what was read before the cut', async () => {
    const { facts, findings } = await inspectBackupFile(sourceOf(two.subarray(0, -1)))
    expect(facts?.sets.map(({ backup, isFinal }) => [backup?.kind, isFinal])).toEqual([
      ['D', true],
      ['L', true],
    ])
    expect(facts?.complete).toBe(false)
    expect(findings).toHaveLength(1)
    const data = two.indexOf('MSDA')
    const begun = await inspectBackupFile(sourceOf(two.subarray(0, data)))
    expect(begun.facts?.sets).toMatchObject([{ isFinal: false, backup: { database: 'shop', kind: 'D' } }])
    expect(begun.facts?.sets[0]?.backup).not.toHaveProperty('finishedAt')
  })

  it('are told whichever bit of a header is flipped', async () => {
    const places = await headerPlaces(small)
    expect(places.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['TAPE', 'RAID', 'SPAD', 'SSET', 'MQCI', 'MSTL', 'MSLS', 'SFMB', 'ESET']),
    )
    const seen = new Set<string>()
    const changed = Buffer.from(small)
    for (const { what, offset, length } of places) {
      // Of each kind of header all bits, of others of its kind one in each byte.
      const all = !seen.has(what)
      seen.add(what)
      for (let at = offset; at < offset + length; at++) {
        for (const bit of all ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8]) {
          changed[at] = (changed[at] ?? 0) ^ (1 << bit)
          expect(await errorOf(changed), `bit ${bit} of byte ${at}, in ${what} at ${offset}`).toBeDefined()
          changed[at] = (changed[at] ?? 0) ^ (1 << bit)
        }
      }
    }
    expect(await errorOf(changed)).toBeUndefined()
  }, 60_000)

  it('are told with the place, and the checksum that was expected', async () => {
    const changed = Buffer.from(small)
    const at = changed.indexOf('VOLB')
    changed[at + 20] = 0xff
    await expect(readBackupFile(sourceOf(changed))).rejects.toMatchObject({
      code: 'CORRUPTED',
      offset: at,
      message: expect.stringMatching(
        new RegExp(`at offset ${at}: the checksum of block VOLB is 0x[0-9a-f]{4} where 0x[0-9a-f]{4} was expected`),
      ),
    })
  })

  it.each([
    ['SFMB', (bytes: Buffer, at: number) => bytes.writeUInt16LE(100, at + 8), 'multiple of 512'],
    ['SSET', (bytes: Buffer, at: number) => bytes.writeUInt16LE(20, at + 8), 'at least 52 were expected'],
    ['VOLB', (bytes: Buffer, at: number) => bytes.writeUInt16LE(56, at + 8), 'a stream was expected'],
    ['VOLB', (bytes: Buffer, at: number) => bytes.write('TAPE', at, 'latin1'), 'outside of a set'],
    ['SSET', (bytes: Buffer, at: number) => bytes.write('MSDA', at, 'latin1'), 'outside of a set'],
    ['SSET', (bytes: Buffer, at: number) => bytes.write('ESET', at, 'latin1'), 'outside of a set'],
  ])('with a %s that lies and a right checksum are told', async (type, change, told) => {
    const changed = Buffer.from(small)
    const at = changed.indexOf(type)
    change(changed, at)
    sealHeader(changed, { what: type, offset: at, length: 52 })
    expect(await errorOf(changed)).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(told) })
  })

  it.each([2n ** 63n, 2n ** 64n - 1n, 1_000_000n])('with a stream of %d bytes are truncated', async (length) => {
    const changed = Buffer.from(small)
    const at = changed.indexOf('MQCI')
    changed.writeBigUInt64LE(length, at + 8)
    sealHeader(changed, { what: 'MQCI', offset: at, length: 22 })
    expect(await errorOf(changed)).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(`has ${length} bytes`) })
  })

  it.each([
    ['length of record SFIN', 'SFIN', 6, 'record SFIN says that it has'],
    ['tag of record SFIN', 'SFIN', 0, 'a record was expected'],
    ['kind', 'SCIN', 0x57, 'kind'],
    ['name of the database', 'SCIN', 0x69, 'name of the database'],
    ['path of the file', 'SFIN', 53, 'path of the file'],
    ['stripe', 'RAID', 22 + 24, 'is no stripe'],
  ])('in the %s are told', async (_, tag, at, told) => {
    const changed = Buffer.from(small)
    const offset = changed.indexOf(tag) + at
    changed[offset] = 0xf3
    expect(await errorOf(changed)).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(told) })
  })

  it('with a set that was broken off before another one are told', async () => {
    const at = two.indexOf('MSDA')
    const second = (await readBackupFile(sourceOf(two))).sets[1]?.offset ?? 0
    const { findings } = await inspectBackupFile(sourceOf(Buffer.concat([two.subarray(0, at), two.subarray(second)])))
    expect(findings.map(({ code, message }) => [code, message])).toEqual([
      ['CORRUPTED', expect.stringContaining('set 1 has no end')],
      ['CORRUPTED', 'set 1 has no description at its end (block MSLS)'],
    ])
  })
})
