import { describe, it } from 'vitest'
import type { ConformanceCheck } from './conformance-check.ts'
import { stagingFileChecks } from './staging-file-checks.ts'
import type { StagingHarness } from './staging-harness.ts'
import { stagingRunChecks } from './staging-run-checks.ts'

/** Every promise of `Staging`, each to be run on an empty place of its own. */
export const stagingChecks: readonly ConformanceCheck<StagingHarness>[] = [...stagingFileChecks, ...stagingRunChecks]

export interface StagingContractSettings {
  /** Called for every check; nothing else uses the staging. */
  makeStaging(): Promise<StagingHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves a staging with vitest: fills it up, breaks both sides, kills it, and looks at what is left. */
export function describeStagingContract(name: string, settings: StagingContractSettings): void {
  describe(`${name} keeps the staging contract`, () => {
    for (const check of stagingChecks) {
      it(
        check.name,
        async () => {
          const harness = await settings.makeStaging()
          try {
            await check.run(harness)
          } finally {
            await harness.dispose?.()
          }
        },
        settings.timeoutMs ?? 60_000,
      )
    }
  })
}
