import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WantedBlob } from '../read/blob-reader.ts'
import { spanOf } from '../read/blob-runs.ts'
import { type PlannedFile, planContent, plannedRuns } from './planned-content.ts'

/** Ten blobs in each of three packs, some compressed. */
const blobs: WantedBlob[] = Array.from({ length: 30 }, (_, at) => ({
  id: `blob ${at}`,
  location: {
    type: 'data',
    pack: `pack ${at % 3}`,
    packNumber: at % 3,
    offset: Math.floor(at / 3) * 1000,
    length: 1000,
    uncompressedLength: at % 2 === 0 ? 0 : 5000,
  },
}))

const files = fc
  .array(fc.array(fc.nat(29), { maxLength: 8 }), { maxLength: 12 })
  .map((contents) => contents.map((content, number) => fileOf(number, content)))

function fileOf(number: number, content: readonly number[]): PlannedFile {
  const facts = { mode: 0o600, modifiedAt: undefined }
  return { number, path: `${number}`, shown: () => `${number}`, size: 0, facts, blobs: content.flatMap((at) => blobs[at] ?? []) }
}

test('every blob is read once for so many targets as a run may have, in runs within the limits, and goes to every place where a file has it', () => {
  fc.assert(
    fc.property(files, fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 20 }), (planned, bytes, targets) => {
      const runs = plannedRuns(planContent(planned), { bytes, targets })
      for (const run of runs) {
        expect(new Set(run.map(({ location }) => location.pack)).size).toBe(1)
        if (run.length > 1) expect(spanOf(run).length).toBeLessThanOrEqual(bytes)
        expect(run.reduce((sum, blob) => sum + blob.targets.length, 0)).toBeLessThanOrEqual(targets)
      }
      const read = runs.flat()
      for (const [id, times] of Map.groupBy(read, (blob) => blob.id)) {
        const places = times.reduce((sum, blob) => sum + blob.targets.length, 0)
        expect(times.length, id).toBe(Math.ceil(places / targets))
      }
      const places = read.flatMap(({ id, targets: places }) => places.map(({ file, position }) => `${file.number} ${position} ${id}`))
      const wanted = planned.flatMap(({ number, blobs: content }) => {
        let position = 0
        return content.map(({ id, location: { length, uncompressedLength } }) => {
          position += uncompressedLength > 0 ? uncompressedLength : length - 32
          return `${number} ${position - (uncompressedLength > 0 ? uncompressedLength : length - 32)} ${id}`
        })
      })
      expect(places.sort()).toEqual(wanted.sort())
    }),
  )
})
