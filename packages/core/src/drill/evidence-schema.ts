import * as z from 'zod'
import { BackupError } from '../errors/backup-error.ts'

const count = z.int().nonnegative()
const time = z.iso.datetime()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const position = z.looseObject({ chain: z.string(), value: z.record(z.string(), z.string()) })
const check = z.looseObject({ name: z.string(), expected: z.string(), found: z.string(), passed: z.boolean() })
const failure = z.looseObject({ code: z.string().min(1), message: z.string(), hint: z.string().optional() })

const goal = z.union([
  z.strictObject({ latest: z.literal(true) }),
  z.strictObject({ random: count }),
  z.strictObject({ backup: z.string().min(1) }),
  z.strictObject({ at: time }),
])

const evidence = z.strictObject({
  format: z.literal('backup-planet/drill-evidence/1'),
  id: z.string().min(1),
  job: z.string().min(1),
  application: z.string().min(1),
  host: z.string(),
  beganAt: time,
  endedAt: time,
  seconds: z.number().nonnegative(),
  goal,
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

/** Throws `INVALID_INPUT` for a goal that a record could not name: nobody is to find out when the drill is over. */
export function assertDrillGoal(asked: unknown): void {
  if (goal.safeParse(asked).success) return
  throw new BackupError(`${JSON.stringify(asked)} is no goal of a drill`, {
    code: 'INVALID_INPUT',
    hint: 'Ask for { latest: true }, { random: 7 } with a whole number, { backup: ID }, or { at: TIME } with a time in UTC such as 2026-07-24T02:00:00Z, and nothing beside it.',
  })
}

/** Throws `INVALID_INPUT` for a record that its readers would refuse. */
export function assertEvidence(record: unknown): void {
  const { error } = evidence.safeParse(record)
  if (error === undefined) return
  const problems = error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'evidence'}: ${message}`)
  throw new BackupError(`a record of a drill with these values could not be read again, and is not signed: ${problems.join('; ')}`, {
    code: 'INVALID_INPUT',
    hint: 'The agent or the caller gives values that the format of records does not have: update the package of the agent.',
  })
}

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
