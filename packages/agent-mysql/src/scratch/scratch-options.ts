import { type Json, parseSettings } from '@backup-planet/core'
import * as z from 'zod'

const schema = z
  .strictObject({
    /** Program of the server of a private place, a name on PATH or a path; left out: `mariadbd` or `mysqld` of the version of the backup, or else of another. */
    serverProgram: z.string().min(1).optional(),
    /** Memory for its buffer pool, and of the tool that prepares a physical copy. */
    useMemoryBytes: z.int().min(16_777_216).max(1_099_511_627_776).default(268_435_456),
    /** Further options of the restore, such as `threads` or `skipGtids`. */
    restore: z.record(z.string(), z.json()).default({}),
  })
  .readonly()

export interface ScratchOptions {
  readonly serverProgram?: string | undefined
  readonly useMemoryBytes: number
  readonly restore: Readonly<Record<string, Json>>
}

/** Throws `INVALID_SETTINGS` that names every unknown or wrong option. */
export function parseScratchOptions(options: Readonly<Record<string, Json>> | undefined): ScratchOptions {
  return parseSettings(schema, options ?? {}, 'scratch.options')
}
