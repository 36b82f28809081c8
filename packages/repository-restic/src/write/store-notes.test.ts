import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { storageIdOf } from '../format/storage-id.ts'
import { readNotes, type StoredFile, storedNote } from './store-notes.ts'

const id = fc.nat().map((number) => storageIdOf(Buffer.from(`${number}`)))
const file: fc.Arbitrary<StoredFile> = fc.record({
  item: fc.string(),
  name: fc.string(),
  size: fc.maxSafeNat(),
  sha256: id,
  order: fc.nat(),
  content: fc.array(id, { maxLength: 4 }),
})

describe('the notes of a store', () => {
  it('come back from the JSON that a stage keeps, file by file', () => {
    fc.assert(
      fc.property(fc.array(fc.array(file, { maxLength: 4 }), { maxLength: 4 }), (runs) => {
        const notes = JSON.parse(JSON.stringify(runs.map((files) => storedNote(files))))
        expect(readNotes(notes)).toEqual(runs.flat())
      }),
    )
  })

  it('may be none', () => {
    expect(readNotes([])).toEqual([])
  })

  it.each([
    ['of another kind of repository', { type: 'archived', files: [] }],
    ['that say more than is known', { type: 'stored', packs: [], files: [], more: 1 }],
    [
      'whose files have ids that are none',
      { type: 'stored', packs: [], files: [{ item: 'a', name: 'b', size: 0, sha256: 'c', order: 0, content: ['../x'] }] },
    ],
    ['that are nothing', null],
  ])('%s are refused with what to do', (_, note) => {
    expect(() => readNotes([note])).toThrow(expect.objectContaining({ code: 'CONFLICT', hint: expect.stringContaining('Move it back') }))
  })
})
