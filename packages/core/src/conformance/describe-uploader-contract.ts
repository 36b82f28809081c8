import { describeChecks } from './describe-checks.ts'
import { uploaderChecks } from './uploader-checks.ts'
import type { UploaderHarness } from './uploader-harness.ts'

export interface UploaderContractSettings {
  /** Called for every check; the uploader works on an empty place that nothing else uses. */
  makeUploader(): Promise<UploaderHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves an uploader with vitest: lies to it, cuts it short, aborts it, races it, and looks at what is left. */
export function describeUploaderContract(name: string, settings: UploaderContractSettings): void {
  describeChecks(`${name} keeps the uploader contract`, uploaderChecks, () => settings.makeUploader(), settings.timeoutMs)
}
