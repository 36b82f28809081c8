import * as z from 'zod'
import { BackupError } from '../errors/backup-error.ts'
import { nearest } from './nearest.ts'

/**
 * Checks settings against a strict zod schema and names every problem at once, unknown keys with the nearest known one.
 * Throws `INVALID_SETTINGS`; never prints a value, since it may be a secret.
 *
 * @param where printable place of the settings, such as `jobs.shop.settings`
 */
export function parseSettings<Schema extends z.ZodType>(schema: Schema, input: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(input ?? {})
  if (result.success) return result.data
  const problems = result.error.issues.flatMap((issue) => issueLines(issue, schema, where, input))
  throw new BackupError(`invalid settings: ${problems.join('; ')}`, {
    code: 'INVALID_SETTINGS',
    hint: `Correct ${problems.length === 1 ? 'this setting' : `these ${problems.length} settings`} and try again.`,
  })
}

function issueLines(issue: z.core.$ZodIssue, schema: z.ZodType, where: string, input: unknown): string[] {
  const place = [where, ...issue.path.map(String)].filter((part) => part !== '').join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path, input)
    return issue.keys.map((key) => {
      const closest = nearest(key, known)
      const suggestion =
        closest === undefined ? (known.length > 0 ? `, known are ${known.join(', ')}` : '') : `, did you mean "${closest}"?`
      return `unknown key "${key}" in ${place || 'the settings'}${suggestion}`
    })
  }
  return [`${place || 'settings'}: ${lowerFirst(issue.message)}`]
}

/** Keys of the object schemas that `path` leads to; empty where there is none. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], input: unknown): string[] {
  let schemas = variants(schema, input)
  let value = input
  for (const part of path) {
    value = typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined
    schemas = schemas.flatMap((current) => variants(inside(current, part), value))
  }
  return [...new Set(schemas.flatMap((current) => (current instanceof z.ZodObject ? Object.keys(current.shape) : [])))]
}

function inside(schema: unknown, part: PropertyKey): unknown {
  if (schema instanceof z.ZodObject) return schema.shape[String(part)]
  if (schema instanceof z.ZodRecord) return schema.valueType
  if (schema instanceof z.ZodArray) return schema.element
  return undefined
}

/** What a schema comes down to: without wrappers, and of a union the variants that `input` can mean. */
function variants(schema: unknown, input: unknown): unknown[] {
  const current = unwrap(schema)
  if (!(current instanceof z.ZodUnion)) return [current]
  const options = current.options.flatMap((option) => variants(option, input))
  if (!(current instanceof z.ZodDiscriminatedUnion)) return options
  const { discriminator } = current.def
  const chosen = typeof input === 'object' && input !== null ? (input as Record<string, unknown>)[discriminator] : undefined
  return options.filter((option) => {
    const kind: unknown = option instanceof z.ZodObject ? option.shape[discriminator] : undefined
    return !(kind instanceof z.ZodType) || kind.safeParse(chosen).success
  })
}

function unwrap(schema: unknown): unknown {
  let current = schema
  for (;;) {
    if (current instanceof z.ZodPipe) current = current.in
    else if (
      current instanceof z.ZodOptional ||
      current instanceof z.ZodDefault ||
      current instanceof z.ZodNullable ||
      current instanceof z.ZodPrefault ||
      current instanceof z.ZodReadonly
    ) {
      current = current.unwrap()
    } else return current
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
