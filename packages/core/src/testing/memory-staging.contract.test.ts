import { memoryStagingHarness } from '../conformance/__fixtures__/memory-staging-harness.ts'
import { describeStagingContract } from '../conformance/describe-staging-contract.ts'

describeStagingContract('memory staging', { makeStaging: () => memoryStagingHarness() })
