import type { ConformanceCheck } from './conformance-check.ts'
import { uploaderFailureChecks } from './uploader-failure-checks.ts'
import type { UploaderHarness } from './uploader-harness.ts'
import { uploaderObjectChecks } from './uploader-object-checks.ts'
import { uploaderSelfChecks } from './uploader-self-checks.ts'

/** Every promise of `Uploader`, each to be run on an empty place of its own. */
export const uploaderChecks: readonly ConformanceCheck<UploaderHarness>[] = [
  ...uploaderObjectChecks,
  ...uploaderFailureChecks,
  ...uploaderSelfChecks,
]
