import { describeBytes, type PlanStep } from '@backup-planet/core'
import type { BackupTool } from './backup-tool.ts'
import type { CopyLogsPlan } from './copy-logs-plan.ts'
import type { DatadirState } from './datadir-state.ts'
import type { PhysicalChain } from './physical-chain.ts'

/** The parts of a restore that its run tells as they begin. */
export type RestoreStepName =
  | 'putBack'
  | 'unpack'
  | 'prepare'
  | 'unpackChanges'
  | 'prepareChanges'
  | 'give'
  | 'start'
  | 'replay'
  | 'shutDown'
  | 'moveIntoPlace'
  | 'leave'

export interface RestoreSteps {
  readonly steps: readonly PlanStep[]
  /** Numbers by name; a name without one is no part of this restore. */
  readonly numbers: Readonly<Record<string, number>>
}

export interface StepFacts {
  readonly chain: PhysicalChain
  readonly target: DatadirState
  readonly tool: BackupTool
  /** The directory that was there, set aside by a restore that was cut. */
  readonly putBack: string | undefined
  readonly logs: CopyLogsPlan | undefined
}

/** What a restore does, in words and in order. */
export function physicalRestoreSteps(facts: StepFacts): RestoreSteps {
  const texts = stepTexts(facts)
  return {
    steps: texts.map(([, text], index) => ({ number: index + 1, text })),
    numbers: Object.fromEntries(texts.map(([name], index) => [name, index + 1])),
  }
}

function stepTexts({ chain: { full, differential }, target, tool, putBack, logs }: StepFacts): (readonly [RestoreStepName, string])[] {
  const texts: (readonly [RestoreStepName, string])[] = []
  if (putBack !== undefined)
    texts.push(['putBack', `put ${putBack} back as ${target.path}: a restore that was cut had set it aside, and put nothing in its place`])
  texts.push(
    [
      'unpack',
      `unpack backup ${full.backup.id}, ${describeBytes(full.bytes)}, with ${tool.stream} into a new directory beside ${target.path}, after every name and checksum in it was looked at`,
    ],
    ['prepare', `prepare it with ${tool.backup}: apply the redo log that was copied with it`],
  )
  if (differential !== undefined) {
    texts.push(
      ['unpackChanges', `unpack the differential ${differential.backup.id}, ${describeBytes(differential.bytes)}, beside it`],
      ['prepareChanges', `put its pages over the copy with ${tool.backup}, and apply its redo log`],
    )
  }
  if (target.owner !== undefined) texts.push(['give', `give everything to ${target.owner.name} (${target.owner.uid}:${target.owner.gid})`])
  if (logs !== undefined) texts.push(['start', logs.steps.start], ['replay', logs.steps.replay], ['shutDown', logs.steps.shutDown])
  texts.push(
    [
      'moveIntoPlace',
      target.kind === 'filled'
        ? `see that no server uses ${target.path}, set it aside, put the new directory in its place, and remove the old one`
        : `put the new directory in the place of ${target.path} in one step`,
    ],
    ['leave', `leave starting the server to you: with datadir=${target.path}`],
  )
  return texts
}
