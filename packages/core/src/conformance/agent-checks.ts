import { agentCaptureChecks } from './agent-capture-checks.ts'
import { agentFollowChecks } from './agent-follow-checks.ts'
import type { AgentHarness } from './agent-harness.ts'
import { agentRestoreChecks } from './agent-restore-checks.ts'
import { agentScratchChecks } from './agent-scratch-checks.ts'
import { agentStopChecks } from './agent-stop-checks.ts'
import type { ConformanceCheck } from './conformance-check.ts'

/** Every promise of `Agent`, each to be run on two servers of its own: one with data, one empty. */
export const agentChecks: readonly ConformanceCheck<AgentHarness>[] = [
  ...agentCaptureChecks,
  ...agentRestoreChecks,
  ...agentStopChecks,
  ...agentFollowChecks,
  ...agentScratchChecks,
]
