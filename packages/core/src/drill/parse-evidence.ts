import { BackupError } from '../errors/backup-error.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import type { SignedEvidence } from './drill-evidence.ts'
import { signedEvidenceSchema } from './evidence-schema.ts'

/**
 * A record of a drill as it came from a store; who made it is not known before it is verified. Throws `CORRUPTED` where it is not one, or not in the one
 * form that the same record always has, and `UNSUPPORTED` for a later format.
 *
 * @param where printable place it was read from
 */
export function parseEvidence(stored: string | Uint8Array, where: string): SignedEvidence {
  let text: string
  let value: unknown
  try {
    text = typeof stored === 'string' ? stored : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(stored)
    value = JSON.parse(text)
  } catch (error) {
    throw damaged(where, `it is no JSON (${stored.length} ${typeof stored === 'string' ? 'characters' : 'bytes'})`, error)
  }
  refuseLaterFormat(value, where)
  const result = signedEvidenceSchema.safeParse(value)
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'record'}: ${message}`)
    throw damaged(where, problems.join('; '))
  }
  // Two texts that mean the same, such as one with a key twice, would leave it open which was signed.
  if (canonicalJson(value) !== text) throw damaged(where, 'it is no canonical JSON')
  return value as SignedEvidence
}

function refuseLaterFormat(value: unknown, where: string): void {
  const evidence = typeof value === 'object' && value !== null && 'evidence' in value ? value.evidence : undefined
  const format = typeof evidence === 'object' && evidence !== null && 'format' in evidence ? evidence.format : undefined
  if (typeof format !== 'string' || !/^backup-planet\/drill-evidence\/([2-9]|[1-9]\d+)$/.test(format)) return
  throw new BackupError(`the record ${where} has the format ${format}`, {
    code: 'UNSUPPORTED',
    hint: 'Update Backup Planet on this host to the release that made this drill, or a later one.',
  })
}

function damaged(where: string, what: string, cause?: unknown): BackupError {
  return new BackupError(`the record ${where} is damaged: ${what}`, {
    code: 'CORRUPTED',
    hint: 'It proves nothing. Find out who can write to the repository, and make another drill.',
    cause,
  })
}
