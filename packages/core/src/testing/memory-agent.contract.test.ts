import { memoryAgentHarness } from '../conformance/__fixtures__/memory-agent-harness.ts'
import { describeAgentContract } from '../conformance/describe-agent-contract.ts'

describeAgentContract('memory agent', { makeHarness: async () => memoryAgentHarness() })
