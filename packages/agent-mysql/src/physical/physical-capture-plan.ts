import type { CapturePlan } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { isUnprotected } from '../mysql-protection.ts'
import { backupToolFor } from './backup-tool.ts'
import type { PhysicalKind } from './physical-kind.ts'
import { defaultPhysicalSettings } from './physical-settings.ts'
import { instanceSourceItem, type PhysicalSource } from './physical-source.ts'
import { physicalSteps } from './physical-steps.ts'

/** The numbered steps of a physical capture of this server with these settings. */
export function planPhysicalCapture(settings: ResolvedMysqlAgentSettings, source: PhysicalSource, next: PhysicalKind): CapturePlan {
  const { server, datadir } = source
  const physical = settings.physical ?? defaultPhysicalSettings
  const tool = backupToolFor(server.flavour, physical)
  const texts = [
    `${physicalSteps.examine(source.name, server.version)}${isUnprotected(settings) ? ', over a connection that is not encrypted' : ''}`,
    physicalSteps.copy(tool, datadir.path, datadir.bytes, next.base),
    physicalSteps.store(tool, physical),
    ...(settings.longQueryGuardSeconds === 0 ? [] : [physicalSteps.guard(settings)]),
    physicalSteps.lock(tool, { logBin: server.logBin, stages: server.supports.backupStage }),
    physicalSteps.complete,
  ]
  return {
    application: 'mysql',
    source: source.name,
    kind: next.kind,
    ...(next.reason === undefined ? {} : { reason: next.reason }),
    items: [instanceSourceItem(source)],
    bytes: datadir.bytes,
    steps: texts.map((text, index) => ({ number: index + 1, text })),
  }
}
