import { isTimeZone } from '@backup-planet/core'
import * as z from 'zod'
import { parseByteRate, parseByteSize } from './byte-size.ts'
import { channelSchema, channelSettingNames } from './channel-schema.ts'
import { parseDuration } from './duration.ts'
import { scheduleSchema } from './schedule-schema.ts'

/** Names end up in paths, keys and command lines. */
const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'a name begins with a letter or digit and goes on with letters, digits, dots, dashes and underscores, 64 at most',
  )

const byteSize = z
  .union([z.string(), z.number()], 'expected a size such as 2GiB')
  .transform((value, context) => parsed(parseByteSize(String(value)), value, 'a size such as 2GiB, 500MB or a number of bytes', context))

const byteRate = z
  .string('expected a rate such as 20MB/s')
  .transform((value, context) => parsed(parseByteRate(value), value, 'a rate such as 20MB/s', context))

const duration = z
  .string('expected a duration such as 14d')
  .transform((value, context) => parsed(parseDuration(value), value, 'a duration such as 15m, 1h30m or 14d', context))

const count = z.int('expected a whole number').min(0, 'expected a number of backups, 0 or more')

const keepRules = {
  keepLast: count.optional(),
  keepHourly: count.optional(),
  keepDaily: count.optional(),
  keepWeekly: count.optional(),
  keepMonthly: count.optional(),
  keepYearly: count.optional(),
  keepWithin: duration.optional(),
}

/** Rules of which none keeps anything would leave nothing but the last backup: nobody means that. */
function keepsSomething(rules: { readonly [Rule in keyof typeof keepRules]?: number | undefined }): boolean {
  const given = Object.keys(keepRules).flatMap((rule) => rules[rule as keyof typeof keepRules] ?? [])
  return given.length === 0 || given.some((number) => number !== 0)
}

const keepsNothing =
  'every rule here is 0, which would keep nothing; say of one at least how much it keeps, or leave them out to keep everything'

const retentionOfKind = z.strictObject(keepRules).refine(keepsSomething, keepsNothing)

const settings = z.record(z.string(), z.unknown(), 'expected a block of settings').default({})

const word = (example: string) => z.string(`expected a text such as ${example}`).min(1, `expected a text such as ${example}`)

const agent = { agent: word('mysql'), plugin: word('./my-agent.ts').optional(), settings }

const repositorySchema = z.looseObject({
  kind: word('archive'),
  destination: word('file:///backups'),
  plugin: word('./my-repository.ts').optional(),
  uploader: z.strictObject({ plugin: word('./my-uploader.ts').optional(), settings }).default({ settings: {} }),
})

const hook = z.strictObject({
  command: z.array(word('/usr/local/bin/freeze'), 'expected a list such as [/usr/local/bin/freeze, --all]').min(1, 'expected a program'),
  timeout: duration.optional(),
  essential: z.boolean('expected true or false').optional(),
})

const jobSchema = z.strictObject({
  ...agent,
  repository: word('local'),
  mirrors: z.array(word('offsite')).min(1).optional(),
  schedule: scheduleSchema.optional(),
  retention: z
    .strictObject({
      ...keepRules,
      differential: retentionOfKind.optional(),
      log: retentionOfKind.optional(),
      timezone: word('Europe/Paris').refine(isTimeZone, 'expected a time zone such as Europe/Paris').optional(),
    })
    .refine(keepsSomething, keepsNothing)
    .optional(),
  hooks: z
    .strictObject({
      before: z.array(hook, 'expected a list of hooks').optional(),
      after: z.array(hook, 'expected a list of hooks').optional(),
    })
    .optional(),
  drill: z
    .strictObject({
      goal: z.enum(['latest', 'random'], 'expected latest or random').default('latest'),
      items: z.array(word('orders')).min(1).optional(),
      to: word('scratch').optional(),
      directory: word('/var/tmp').optional(),
      options: z.record(z.string(), z.unknown(), 'expected a block of options').default({}),
    })
    .optional(),
})

const notificationsSchema = z.strictObject({
  onRun: z.boolean('expected true or false').default(false),
  windowStopped: z
    .union([duration, z.record(name, duration)], 'expected a duration such as 1h, or a block with one for each job')
    .optional(),
  digest: z
    .strictObject({
      every: z.enum(['daily', 'weekly'], 'expected daily or weekly').default('daily'),
      at: z
        .string('expected a time such as "07:00"')
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time such as "07:00"')
        .default('07:00'),
      day: z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], 'expected a day such as mon').default('mon'),
      timezone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Paris').optional(),
    })
    .optional(),
  channels: z.record(name, channelSchema).default({}),
})

const targetSchema = z.strictObject(agent)

export const configurationSchema = z.strictObject({
  repositories: z.record(name, repositorySchema).default({}),
  jobs: z.record(name, jobSchema).default({}),
  targets: z.record(name, targetSchema).default({}),
  staging: z
    .strictObject({
      directory: word('/var/lib/backup-planet/staging').optional(),
      budget: byteSize.optional(),
      minimumFree: byteSize.optional(),
    })
    .default({}),
  limits: z.strictObject({ upload: byteRate.optional() }).default({}),
  notifications: notificationsSchema.optional(),
  evidence: z
    .strictObject({
      key: word(`"\${file:/etc/backup-planet/evidence.key}"`).optional(),
      publicKey: word(`"\${file:/etc/backup-planet/evidence.pub}"`).optional(),
    })
    .default({}),
  daemon: z
    .strictObject({
      concurrency: z.int('expected a whole number').min(1, 'expected how many jobs may run at once, 1 or more').optional(),
      grace: duration.optional(),
      listen: z.union([z.literal(false), word('127.0.0.1:9810')], 'expected an address such as 127.0.0.1:9810, or false').optional(),
      log: z.enum(['text', 'json'], 'expected text or json').default('text'),
      logLevel: z.enum(['debug', 'info', 'warn', 'error'], 'expected debug, info, warn or error').default('info'),
    })
    .default({ log: 'text', logLevel: 'info' }),
})

export type ConfigurationContent = z.output<typeof configurationSchema>
export type RepositoryConfiguration = z.output<typeof repositorySchema>
export type JobConfiguration = z.output<typeof jobSchema>
export type TargetConfiguration = z.output<typeof targetSchema>
export type NotificationsConfiguration = z.output<typeof notificationsSchema>

/** Keys that are known at the place that `path` leads to in `data`; empty where every key is. */
export function knownKeysAt(path: readonly PropertyKey[], data?: unknown): readonly string[] {
  let schema: unknown = configurationSchema
  let value = data
  for (const part of path) {
    schema = unwrap(schema)
    value = typeof value === 'object' && value !== null ? (value as Readonly<Record<PropertyKey, unknown>>)[part] : undefined
    if (schema instanceof z.ZodObject) schema = schema.shape[String(part)]
    else if (schema instanceof z.ZodRecord) schema = schema.valueType
    else if (schema instanceof z.ZodArray) schema = schema.element
    else return []
  }
  schema = unwrap(schema)
  if (schema === channelSchema) return channelSettingNames(value)
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
}

function unwrap(schema: unknown): unknown {
  let current = schema
  while (current instanceof z.ZodOptional || current instanceof z.ZodDefault) current = current.unwrap()
  return current
}

function parsed(value: number | undefined, text: unknown, expected: string, context: z.core.$RefinementCtx): number {
  if (value !== undefined && value > 0) return value
  context.issues.push({ code: 'custom', input: text, message: `expected ${expected}, found ${JSON.stringify(text)}` })
  return z.NEVER
}
