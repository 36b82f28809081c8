import {
  BackupError,
  type Capture,
  type CapturePlan,
  type CaptureRequest,
  type NextCapture,
  type OperationOptions,
  throwIfAborted,
} from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { readServerTime, type ServerFacts } from '../mysql-server.ts'
import { backupToolFor, readToolVersion, versionProblem } from './backup-tool.ts'
import { PhysicalCapture } from './physical-capture.ts'
import { planPhysicalCapture } from './physical-capture-plan.ts'
import { nextPhysicalKind, type PhysicalKind } from './physical-kind.ts'
import { defaultPhysicalSettings } from './physical-settings.ts'
import { type PhysicalSource, readLsn, readPhysicalSource } from './physical-source.ts'
import { physicalSteps } from './physical-steps.ts'

/** What a full or differential is begun or planned with. */
export interface PhysicalRequest {
  readonly session: MysqlSession
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  readonly request: CaptureRequest
  /** What positions allow, as the core decides it: no log. */
  readonly next: NextCapture
}

/**
 * Finds out what is to be copied and by what, and decides the kind. The tool runs in `copyTo`. Throws `UNSUPPORTED` for a tool of another version, `NOT_FOUND` without tool or data directory,
 * `ACCESS_DENIED` where the directory cannot be read.
 */
export async function beginPhysicalCapture(wanted: PhysicalRequest, options: OperationOptions): Promise<Capture> {
  const { session, settings, server, request } = wanted
  const { signal, onProgress } = options
  throwIfAborted(signal, 'beginning a capture')
  const source = await readPhysicalSource(session, settings, server, request.items, signal)
  onProgress?.({ type: 'step', text: physicalSteps.examine(source.name, server.version) })
  const physical = settings.physical ?? defaultPhysicalSettings
  const tool = backupToolFor(server.flavour, physical)
  const version = await readToolVersion(tool, { signal })
  const problem = versionProblem(version, server.version)
  if (problem !== undefined) throw new BackupError(problem.message, { code: 'UNSUPPORTED', hint: problem.hint })
  const next = await decideKind(wanted, source)
  return new PhysicalCapture({ settings, physical, source, tool, version, next, beganAt: await readServerTime(session) })
}

/** The steps of a run with this request. Changes nothing. */
export async function planPhysical(wanted: PhysicalRequest, signal: AbortSignal | undefined): Promise<CapturePlan> {
  const { session, settings, server, request } = wanted
  const source = await readPhysicalSource(session, settings, server, request.items, signal)
  return planPhysicalCapture(settings, source, await decideKind(wanted, source))
}

async function decideKind({ session, request, next }: PhysicalRequest, { server, datadir }: PhysicalSource): Promise<PhysicalKind> {
  const state = { version: server.version, logBin: server.logBin, lsn: await readLsn(session), datadir: datadir.identity }
  return nextPhysicalKind(request.kind, next, request.chain, state)
}
