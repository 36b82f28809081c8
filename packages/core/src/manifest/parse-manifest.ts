import type { Manifest } from '../contracts/index.ts'
import { BackupError, isFailureCode } from '../errors/backup-error.ts'
import { manifestSchema } from './manifest-schema.ts'

/**
 * A manifest as it came from a store. Throws `CORRUPTED` that names every problem, and `UNSUPPORTED` for a later format.
 * A failure code of a later release becomes `UNKNOWN`.
 *
 * @param where printable place it was read from
 */
export function parseManifest(text: string, where: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupted(where, `it is no JSON (${text.length} characters)`, error)
  }
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined
  if (typeof format === 'string' && /^backup-planet\/manifest\/([2-9]|[1-9]\d+)$/.test(format)) {
    throw new BackupError(`the manifest ${where} has the format ${format}`, {
      code: 'UNSUPPORTED',
      hint: 'Update Backup Planet on this host to the release that wrote this backup, or a later one.',
    })
  }
  const result = manifestSchema.safeParse(value)
  if (!result.success) {
    const problems = result.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'manifest'}: ${message}`)
    throw corrupted(where, problems.join('; '))
  }
  // The value as it was read, so that writing it again gives the same bytes.
  const manifest = value as Manifest
  if (manifest.items.every(({ failure }) => failure === undefined || isFailureCode(failure.code))) return manifest
  return {
    ...manifest,
    items: manifest.items.map((item) =>
      item.failure === undefined || isFailureCode(item.failure.code) ? item : { ...item, failure: { ...item.failure, code: 'UNKNOWN' } },
    ),
  }
}

function corrupted(where: string, what: string, cause?: unknown): BackupError {
  return new BackupError(`the manifest ${where} is damaged: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Use another backup. Run verify to see whether anything else in the repository is damaged.',
    cause,
  })
}
