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
  const problems = result.error.issues.flatMap((issue) => issueLines(issue, schema, where))
  throw new BackupError(`invalid settings: ${problems.join('; ')}`, {
    code: 'INVALID_SETTINGS',
    hint: `Correct ${problems.length === 1 ? 'this setting' : `these ${problems.length} settings`} and try again.`,
  })
}

function issueLines(issue: z.core.$ZodIssue, schema: z.ZodType, where: string): string[] {
  const place = [where, ...issue.path.map(String)].filter((part) => part !== '').join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path)
    return issue.keys.map((key) => {
      const closest = nearest(key, known)
      const suggestion =
        closest === undefined ? (known.length > 0 ? `, known are ${known.join(', ')}` : '') : `, did you mean "${closest}"?`
      return `unknown key "${key}" in ${place || 'the settings'}${suggestion}`
    })
  }
  return [`${place || 'settings'}: ${lowerFirst(issue.message)}`]
}

/** Keys of the object schema that `path` leads to; empty where the schema is not an object. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema
  for (const part of [...path, undefined]) {
    current = unwrap(current)
    if (part === undefined) break
    if (current instanceof z.ZodObject) current = current.shape[String(part)]
    else if (current instanceof z.ZodRecord) current = current.valueType
    else if (current instanceof z.ZodArray) current = current.element
    else return []
  }
  return current instanceof z.ZodObject ? Object.keys(current.shape) : []
}

function unwrap(schema: unknown): unknown {
  let current = schema
  while (
    current instanceof z.ZodOptional ||
    current instanceof z.ZodDefault ||
    current instanceof z.ZodNullable ||
    current instanceof z.ZodPrefault ||
    current instanceof z.ZodReadonly
  ) {
    current = current.unwrap()
  }
  return current
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
