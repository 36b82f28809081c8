import * as z from 'zod'

/** A file below `locks/`; restic, doc/design.rst, "Locks". */
export interface LockRecord {
  /** ISO 8601, by the clock of who holds it. */
  readonly time: string
  readonly exclusive: boolean
  readonly hostname: string
  readonly username: string
  readonly pid: number
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Ours alone, which restic passes over: boot, start and PID namespace of the process, as `ProcessOwner.started` of core. Without it, the name of the host has to do. */
  readonly started?: string | undefined
}

const schema = z.object({
  time: z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'no time'),
  exclusive: z.boolean(),
  hostname: z.string().default(''),
  username: z.string().default(''),
  pid: z.int().default(0),
  uid: z.number().optional(),
  gid: z.number().optional(),
  started: z.string().optional(),
})

/** Throws a `ZodError`. */
export function parseLock(json: unknown): LockRecord {
  return schema.parse(json)
}
