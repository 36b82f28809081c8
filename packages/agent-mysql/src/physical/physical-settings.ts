import * as z from 'zod'

/** Settings that only `mode: physical` has. */
export const physicalSettingsSchema = z
  .strictObject({
    /** Program that copies, a name on PATH or a path; left out: `mariadb-backup` for MariaDB, `xtrabackup` for MySQL and Percona Server. */
    backupTool: z.string().min(1).optional(),
    /** Program that unpacks the stream; left out: `mbstream` or `xbstream`. Only a restore needs it. */
    streamTool: z.string().min(1).optional(),
    /** An option file of the tool that is read before ours, such as one with the keys of encrypted tables. An absolute path. */
    optionFile: z.string().startsWith('/', 'write an absolute path').optional(),
    /** Files that are copied at once. One keeps their order, so that a repository that deduplicates finds more again. */
    parallel: z.int().min(1).max(64).default(1),
    /** The stream is stored in files of at most so many bytes, or of what the staging takes where that is less. */
    partBytes: z.int().min(1_048_576).max(1_099_511_627_776).default(1_073_741_824),
    /** Whether differentials are made: what has changed since the last full, by LSN. `false` makes every backup a full. */
    incremental: z.boolean().default(true),
  })
  .readonly()

/** With every default filled in. */
export type PhysicalSettings = z.output<typeof physicalSettingsSchema>

export const defaultPhysicalSettings: PhysicalSettings = physicalSettingsSchema.parse({})

/** What a logical setting must be for a physical copy, which takes the server as it is. */
const wholeServer: Readonly<Record<string, (value: unknown) => boolean>> = {
  includeSchemas: (value) => value === undefined,
  excludeSchemas: isEmpty,
  includeTables: (value) => value === undefined,
  excludeTables: isEmpty,
  users: (value) => value !== false,
  history: (value) => value !== false,
  stripDefiner: (value) => value !== true,
  definerMap: isEmpty,
}

/** Settings that contradict each other, with what to say of each. */
export function modeContradictions(
  settings: Readonly<Record<string, unknown>>,
): readonly { readonly setting: string; readonly message: string }[] {
  if (settings.mode !== 'physical') {
    return settings.physical === undefined
      ? []
      : [{ setting: 'physical', message: 'belongs to mode: physical, and the mode is logical; set mode, or leave it out' }]
  }
  return Object.entries(wholeServer)
    .filter(([setting, agrees]) => !agrees(settings[setting]))
    .map(([setting]) => ({ setting, message: 'mode: physical copies the whole server as it is; leave this out, or use mode: logical' }))
}

function isEmpty(value: unknown): boolean {
  return value === undefined || Object.keys(value as object).length === 0
}
