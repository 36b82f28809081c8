import type { ConformanceCheck } from './conformance-check.ts'
import { stagingDrainChecks } from './staging-drain-checks.ts'
import { stagingFileChecks } from './staging-file-checks.ts'
import type { StagingHarness } from './staging-harness.ts'
import { stagingRunChecks } from './staging-run-checks.ts'

/** Every promise of `Staging`, each to be run on an empty place of its own. */
export const stagingChecks: readonly ConformanceCheck<StagingHarness>[] = [...stagingFileChecks, ...stagingDrainChecks, ...stagingRunChecks]
