import * as z from 'zod'

const count = z.int().nonnegative()
const json = z.record(z.string(), z.json())
const time = z.iso.datetime()
const position = z.looseObject({ chain: z.string(), value: z.record(z.string(), z.string()) })

const file = z.looseObject({
  name: z.string().min(1),
  size: count,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})

const item = z.looseObject({
  item: z.string(),
  from: position.optional(),
  to: position.optional(),
  bytes: count.optional(),
  facts: json,
  files: z.array(file).optional(),
  failure: z.looseObject({ code: z.string().min(1), message: z.string(), hint: z.string().optional() }).optional(),
})

/**
 * The manifest of one backup; `manifest.schema.json` is made from it. Strict at the top, where a new field would change what
 * the backup means; open below, so that a newer release can add details.
 */
export const manifestSchema = z.strictObject({
  format: z.literal('backup-planet/manifest/1'),
  id: z.string().min(1),
  job: z.string().min(1),
  application: z.string().min(1),
  agent: z.looseObject({ version: z.string() }),
  source: z.looseObject({ id: z.string(), name: z.string(), version: z.string() }),
  kind: z.enum(['full', 'differential', 'log']),
  status: z.enum(['complete', 'partial']),
  beganAt: time,
  consistentAt: time,
  endedAt: time,
  from: position.optional(),
  position: position.optional(),
  covers: z
    .array(z.looseObject({ from: time, to: time }))
    .min(1)
    .optional(),
  limitedTo: z.array(z.string().min(1)).optional(),
  items: z.array(item),
  facts: json,
  storage: json,
})
