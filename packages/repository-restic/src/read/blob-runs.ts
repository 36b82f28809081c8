import type { PlacedBlob } from '../repository-index.ts'

interface LyingInPack {
  readonly location: PlacedBlob
}

/** Blobs that lie this near in one pack are read at once, with what is between them. */
const gapBytes = 512 * 1024

/** Blobs of one pack that lie near each other, in the order in which they lie; packs in the order of their first blob. */
export function runsOf<Blob extends LyingInPack>(blobs: readonly Blob[]): Blob[][] {
  const byPack = Map.groupBy(blobs, ({ location }) => location.pack)
  const runs: Blob[][] = []
  for (const together of byPack.values()) {
    together.sort((left, right) => left.location.offset - right.location.offset)
    let run: Blob[] = []
    let end = 0
    for (const blob of together) {
      if (run.length > 0 && blob.location.offset > end + gapBytes) {
        runs.push(run)
        run = []
      }
      run.push(blob)
      end = Math.max(end, endOf(blob))
    }
    runs.push(run)
  }
  return runs
}

/** The bytes of the pack from the first blob of a run to the end of its furthest. */
export function spanOf(run: readonly LyingInPack[]): { readonly begin: number; readonly length: number } {
  const begin = run[0]?.location.offset ?? 0
  return { begin, length: run.reduce((furthest, blob) => Math.max(furthest, endOf(blob)), begin) - begin }
}

export function endOf({ location: { offset, length } }: LyingInPack): number {
  return offset + length
}
