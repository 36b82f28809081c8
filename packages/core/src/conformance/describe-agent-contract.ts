import { agentChecks } from './agent-checks.ts'
import type { AgentHarness } from './agent-harness.ts'
import { describeChecks } from './describe-checks.ts'

export interface AgentContractSettings {
  /** Called for every check; nothing else uses its servers meanwhile. */
  makeHarness(): Promise<AgentHarness>
  /** Per check, in milliseconds; 60 000 when left out. */
  readonly timeoutMs?: number
}

/** Proves an agent with vitest: on what it leaves on the server, what it refuses, and whether everything comes back. */
export function describeAgentContract(name: string, settings: AgentContractSettings): void {
  describeChecks(`${name} keeps the agent contract`, agentChecks, () => settings.makeHarness(), settings.timeoutMs)
}
