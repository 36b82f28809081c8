import type { OperationOptions, Repository } from '../contracts/index.ts'

/** A run whose half-filled stage is gone can never commit; one on another host might, unless it has been silent for long. */
const silentForSeconds = 7 * 24 * 3600

/** Removes what runs of the job had sent that can never commit: of those named at once, of all others once they have been silent for long. */
export async function removeRemains(
  repository: Repository,
  job: string,
  runs: readonly string[],
  options: OperationOptions,
): Promise<void> {
  if (runs.length > 0) await repository.removeUnfinished({ olderThanSeconds: 0, job, runs }, options)
  await repository.removeUnfinished({ olderThanSeconds: silentForSeconds, job }, options)
}
