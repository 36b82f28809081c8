import * as z from 'zod'

const count = z.int().nonnegative()
const time = z.iso.datetime()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const position = z.looseObject({ chain: z.string(), value: z.record(z.string(), z.string()) })
const check = z.looseObject({ name: z.string(), expected: z.string(), found: z.string(), passed: z.boolean() })
const failure = z.looseObject({ code: z.string().min(1), message: z.string(), hint: z.string().optional() })

const evidence = z.strictObject({
  format: z.literal('backup-planet/drill-evidence/1'),
  id: z.string().min(1),
  job: z.string().min(1),
  application: z.string().min(1),
  host: z.string(),
  beganAt: time,
  endedAt: time,
  seconds: z.number().nonnegative(),
  goal: z.union([
    z.strictObject({ latest: z.literal(true) }),
    z.strictObject({ random: count }),
    z.strictObject({ backup: z.string().min(1) }),
    z.strictObject({ at: time }),
  ]),
  restorePoint: z
    .looseObject({
      at: time,
      backup: z.string().min(1),
      stop: z
        .union([z.strictObject({ before: time }), z.strictObject({ position }), z.strictObject({ beforePosition: position })])
        .optional(),
    })
    .optional(),
  source: z.looseObject({ id: z.string(), name: z.string(), version: z.string() }).optional(),
  chain: z.array(
    z.looseObject({
      id: z.string().min(1),
      kind: z.enum(['full', 'differential', 'log']),
      consistentAt: time,
      repository: z.string(),
      destination: z.string(),
      bytes: count,
      manifestSha256: sha256,
    }),
  ),
  bytes: count,
  scratch: z.looseObject({ name: z.string(), version: z.string() }).optional(),
  items: z.array(z.looseObject({ item: z.string(), to: z.string(), checks: z.array(check), failure: failure.optional() })),
  engineChecks: z.array(z.looseObject({ item: z.string(), ...check.shape })),
  problems: z.array(
    z.looseObject({ severity: z.enum(['error', 'warning']), code: z.string().min(1), message: z.string(), hint: z.string().optional() }),
  ),
  outcome: z.enum(['passed', 'partial', 'failed', 'impossible']),
  failure: failure.optional(),
  versions: z.looseObject({ software: z.string(), agent: z.string(), node: z.string() }),
})

/** A stored record of a drill; `drill-evidence.schema.json` is made from it. Strict at the top, where a new field would change what it means; open below. */
export const signedEvidenceSchema = z.strictObject({
  evidence,
  signature: z.strictObject({ algorithm: z.literal('Ed25519'), keyId: sha256, value: z.string().regex(/^[0-9a-f]{128}$/) }),
})

/** Where the schema of this format is found, without an account or an installation. It changes with the format, not with a release. */
const schemaAddress = 'https://raw.githubusercontent.com/backup-planet/agents/main/packages/core/drill-evidence.schema.json'

/** The content of `drill-evidence.schema.json`: JSON Schema, draft 2020-12. */
export function evidenceJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(signedEvidenceSchema, { target: 'draft-2020-12' })
  return {
    $schema,
    $id: schemaAddress,
    title: 'Signed record of one Backup Planet drill',
    description:
      'Canonical JSON (RFC 8785). The signature is Ed25519 over the canonical JSON of "evidence". Unknown keys at the top are refused.',
    ...schema,
  }
}
