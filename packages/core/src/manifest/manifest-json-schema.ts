import * as z from 'zod'
import { manifestSchema } from './manifest-schema.ts'

/** The content of `manifest.schema.json`: JSON Schema, draft 2020-12. */
export function manifestJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(manifestSchema, { target: 'draft-2020-12' })
  return {
    $schema,
    title: 'Manifest of one Backup Planet backup',
    description: 'Written last, as manifest.json: a backup without a manifest does not exist. Unknown keys at the top are refused.',
    ...schema,
  }
}
