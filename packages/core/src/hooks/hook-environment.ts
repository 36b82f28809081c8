import type { FinishedRunFacts, RunFacts } from './hook.ts'

const longestText = 4096

/**
 * The facts of a run as the variables that its hooks find in their environment, as texts. Names are stable within a major version:
 *
 * - always: `BACKUP_PLANET_HOOK` (`before` or `after`), `BACKUP_PLANET_JOB`, `BACKUP_PLANET_KIND` (the kind that was asked for, and after
 *   the run the kind that was made)
 * - after the run: `BACKUP_PLANET_OUTCOME` (`done`, `partial`, `failed` or `aborted`), `BACKUP_PLANET_SECONDS`
 * - where there is a backup: `BACKUP_PLANET_BACKUP` (its id), `BACKUP_PLANET_BYTES` (what was captured), `BACKUP_PLANET_STORED_BYTES`
 *   (what it takes in the store, where that is known)
 * - where the run failed: `BACKUP_PLANET_CODE`, `BACKUP_PLANET_MESSAGE`
 *
 * What is not known is taken away, so that nothing of an outer run is mistaken for it.
 */
export function hookEnvironment(facts: RunFacts | FinishedRunFacts): Readonly<Record<string, string | undefined>> {
  const finished = 'outcome' in facts ? facts : undefined
  const { backup, failure } = finished ?? {}
  return {
    BACKUP_PLANET_HOOK: finished === undefined ? 'before' : 'after',
    BACKUP_PLANET_JOB: facts.job,
    BACKUP_PLANET_KIND: backup?.kind ?? facts.kind,
    BACKUP_PLANET_OUTCOME: finished?.outcome,
    BACKUP_PLANET_SECONDS: textOf(finished === undefined ? undefined : Math.round(finished.seconds)),
    BACKUP_PLANET_BACKUP: backup?.id,
    BACKUP_PLANET_BYTES: textOf(backup?.bytes),
    BACKUP_PLANET_STORED_BYTES: textOf(backup?.storedBytes),
    BACKUP_PLANET_CODE: failure?.code,
    // An environment takes no NUL, and not as much of it as a message may be long.
    BACKUP_PLANET_MESSAGE: failure?.message.replaceAll('\0', ' ').slice(0, longestText),
  }
}

function textOf(value: number | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
