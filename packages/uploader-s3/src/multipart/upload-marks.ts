import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { currentOwner, ownedName, ownerInName, ownerState } from '@backup-planet/core'
import * as z from 'zod'

export interface MarkedUpload {
  readonly key: string
  readonly uploadId: string
}

/**
 * Uploads of one destination that nobody can go on with, because their content is not known beforehand, each in a file that names its
 * process: what a process that was killed leaves in a store is removed by the next one, and not after days.
 */
export interface UploadMarks {
  /** Resolves with what removes the mark. Neither rejects: what is not marked is removed after days. */
  mark(upload: MarkedUpload): Promise<() => Promise<void>>
  /** Those of processes of this machine that live no more. */
  forsaken(): Promise<readonly (MarkedUpload & { readonly forget: () => Promise<void> })[]>
}

const beginning = 'upload.begun'
const markSchema = z.object({ destination: z.string(), key: z.string(), uploadId: z.string().min(1) })

/** Marks below `directory`, which may be that of journals. Files are 0600. */
export function createUploadMarks(directory: string, destination: string): UploadMarks {
  return {
    async mark(upload) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        const path = join(directory, ownedName(beginning, await currentOwner()))
        await writeFile(path, JSON.stringify({ destination, ...upload }), { flag: 'wx', mode: 0o600 })
        return () => removed(path)
      } catch {
        return () => Promise.resolve()
      }
    },
    async forsaken() {
      const found: (MarkedUpload & { readonly forget: () => Promise<void> })[] = []
      for (const name of await readdir(directory).catch(() => [])) {
        const owner = ownerInName(beginning, name)
        if (owner === undefined || (await ownerState(owner)) !== 'dead') continue
        const path = join(directory, name)
        const mark = markIn(await readFile(path, 'utf8').catch(() => ''))
        // Written in part when its process ended.
        if (mark === undefined) await removed(path)
        else if (mark.destination === destination) found.push({ key: mark.key, uploadId: mark.uploadId, forget: () => removed(path) })
      }
      return found
    },
  }
}

function markIn(text: string): z.infer<typeof markSchema> | undefined {
  try {
    return markSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

async function removed(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined)
}
