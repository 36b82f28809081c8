import { describeAgentContract } from '../conformance/describe-agent-contract.ts'
import { memoryAgentHarness } from '../conformance/memory-agent-harness.ts'

describeAgentContract('memory agent', { makeHarness: async () => memoryAgentHarness() })
