import { describeChecks } from './describe-checks.ts'
import { stagingChecks } from './staging-checks.ts'
import type { StagingHarness } from './staging-harness.ts'

export interface StagingContractSettings {
  /** Called for every check; nothing else uses the staging. */
  makeStaging(): Promise<StagingHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves a staging with vitest: fills it up, breaks both sides, kills it, and looks at what is left. */
export function describeStagingContract(name: string, settings: StagingContractSettings): void {
  describeChecks(`${name} keeps the staging contract`, stagingChecks, () => settings.makeStaging(), settings.timeoutMs)
}
