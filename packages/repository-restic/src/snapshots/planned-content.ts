import { plainLength, type WantedBlob } from '../read/blob-reader.ts'
import { endOf, runsOf } from '../read/blob-runs.ts'
import type { FileFacts } from '../workers/target-writing.ts'

/** A file that is to be written, and of what. */
export interface PlannedFile {
  /** Counts the files in the order of the snapshot. */
  readonly number: number
  /** Where it is written, in bytes as Latin-1. */
  readonly path: string
  /** Its path in the snapshot, for people; made when it is asked for, since hardly any is. */
  readonly shown: () => string
  readonly size: number
  readonly facts: FileFacts
  readonly blobs: readonly WantedBlob[]
}

/** A place in a planned file, in bytes from its begin. */
export interface PlannedTarget {
  readonly file: PlannedFile
  readonly position: number
}

/** A blob with every place where its plaintext goes. */
export interface PlannedBlob extends WantedBlob {
  readonly targets: readonly PlannedTarget[]
}

/** Each blob once, in the order in which the files need them first, with its targets in the order of the files. */
export function planContent(files: readonly PlannedFile[]): PlannedBlob[] {
  const planned = new Map<string, PlannedBlob & { readonly targets: PlannedTarget[] }>()
  for (const file of files) {
    let position = 0
    for (const { id, location } of file.blobs) {
      const known = planned.get(id)
      if (known === undefined) planned.set(id, { id, location, targets: [{ file, position }] })
      else known.targets.push({ file, position })
      position += plainLength(location)
    }
  }
  return [...planned.values()]
}

export interface RunLimits {
  /** From the first byte of a run to its last. */
  readonly bytes: number
  readonly targets: number
}

/**
 * Blobs that are read at once, each run within the limits unless a single blob is longer. One that has more targets than a run may have,
 * such as the zeros of a disk image, is read once for every so many.
 */
export function plannedRuns(blobs: readonly PlannedBlob[], most: RunLimits): PlannedBlob[][] {
  return runsOf(blobs.flatMap((blob) => withFewTargets(blob, most.targets))).flatMap((run) => partsOf(run, most))
}

function withFewTargets(blob: PlannedBlob, most: number): PlannedBlob[] {
  const { targets } = blob
  if (targets.length <= most) return [blob]
  const slices = Math.ceil(targets.length / most)
  return Array.from({ length: slices }, (_, at) => ({ ...blob, targets: targets.slice(at * most, (at + 1) * most) }))
}

function partsOf(run: readonly PlannedBlob[], most: RunLimits): PlannedBlob[][] {
  const parts: PlannedBlob[][] = []
  let part: PlannedBlob[] = []
  let targets = 0
  for (const blob of run) {
    const [first] = part
    targets += blob.targets.length
    if (first !== undefined && (endOf(blob) - first.location.offset > most.bytes || targets > most.targets)) {
      parts.push(part)
      part = []
      targets = blob.targets.length
    }
    part.push(blob)
  }
  parts.push(part)
  return parts
}
