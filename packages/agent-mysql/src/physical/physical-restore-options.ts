import { isAbsolute, normalize } from 'node:path'
import { type Json, parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { skipGtids } from '../restore/restore-options.ts'

const schema = z
  .strictObject({
    /** Where the data directory of the restored server shall be: absent, or an empty directory; with `overwrite` one that no server uses. */
    datadir: z
      .string()
      .refine(
        (path) => isAbsolute(path) && normalize(path) === path && !path.endsWith('/'),
        'write an absolute path without . and .. and a slash at its end',
      ),
    /** Memory of the tool while it prepares the copy. */
    useMemoryBytes: z.int().min(16_777_216).max(1_099_511_627_776).default(268_435_456),
    /**
     * Whether settings in the copy may name plugins that the tool then loads, and directories that it works in, as those of a server with encrypted tables do. Only for a
     * backup that nobody else could write to.
     */
    trustSettings: z.boolean().default(false),
    /** Program of the server that replays logs on the copy, a name on PATH or a path; left out: `mariadbd` or `mysqld` of the version of the backup. */
    serverProgram: z.string().min(1).optional(),
    /** How logs are replayed on the copy, as in a restore to a server. */
    replay: z.enum(['auto', 'tools', 'statements']).default('auto'),
    /** Transactions that are left out when logs are replayed, by their GTIDs. */
    skipGtids,
  })
  .readonly()

export type PhysicalRestoreOptions = z.output<typeof schema>

/** Throws `INVALID_SETTINGS` that names every unknown or wrong option. */
export function parsePhysicalRestoreOptions(options: Readonly<Record<string, Json>> | undefined): PhysicalRestoreOptions {
  return parseSettings(schema, options ?? {}, 'target.options')
}
