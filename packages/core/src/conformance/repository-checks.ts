import type { ConformanceCheck } from './conformance-check.ts'
import type { RepositoryHarness } from './repository-harness.ts'
import { repositoryReadChecks } from './repository-read-checks.ts'
import { repositoryStoreChecks } from './repository-store-checks.ts'

/** Every promise of `Repository`, each to be run on an empty place of its own. */
export const repositoryChecks: readonly ConformanceCheck<RepositoryHarness>[] = [...repositoryStoreChecks, ...repositoryReadChecks]
