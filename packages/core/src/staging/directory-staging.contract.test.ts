import { directoryStagingHarness } from '../conformance/__fixtures__/directory-staging-harness.ts'
import { describeStagingContract } from '../conformance/describe-staging-contract.ts'

describeStagingContract('the directory staging', { makeStaging: () => directoryStagingHarness() })
