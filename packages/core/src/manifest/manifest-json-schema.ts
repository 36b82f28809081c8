import * as z from 'zod'
import { manifestSchema } from './manifest-schema.ts'

/** Where the schema of this format is found, without an account or an installation. It changes with the format, not with a release. */
const schemaAddress = 'https://raw.githubusercontent.com/backup-planet/agents/main/packages/core/manifest.schema.json'

/** The content of `manifest.schema.json`: JSON Schema, draft 2020-12. */
export function manifestJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(manifestSchema, { target: 'draft-2020-12' })
  return {
    $schema,
    $id: schemaAddress,
    title: 'Manifest of one Backup Planet backup',
    description: 'Written last, as manifest.json: a backup without a manifest does not exist. Unknown keys at the top are refused.',
    ...schema,
  }
}
