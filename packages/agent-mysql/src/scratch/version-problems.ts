import type { Problem } from '@backup-planet/core'

/** That a restore to another version shows less than one to the same. */
export function versionProblems(place: string, version: string, source: string): readonly Problem[] {
  const [own, others] = [version, source].map((text) => /^[\d.]+/.exec(text)?.[0])
  if (own === others) return []
  return [
    {
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: `it is restored to ${place} ${version}, and the backup is of ${source}`,
      hint: `Drill on ${source} to see that the backup comes back on the same version.`,
    },
  ]
}
