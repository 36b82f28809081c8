import { describeChecks } from './describe-checks.ts'
import { repositoryChecks } from './repository-checks.ts'
import type { RepositoryHarness } from './repository-harness.ts'

export interface RepositoryContractSettings {
  /** Called for every check; the repository works on an empty place that nothing else uses. */
  makeRepository(): Promise<RepositoryHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves a repository with vitest: cuts, aborts, damages and resumes its stores, and reads everything back. */
export function describeRepositoryContract(name: string, settings: RepositoryContractSettings): void {
  describeChecks(`${name} keeps the repository contract`, repositoryChecks, () => settings.makeRepository(), settings.timeoutMs)
}
