import { type Agent, type CaptureKind, nearest } from '@backup-planet/core'
import { Option } from 'commander'
import { UsageError } from '../usage-error.ts'

const kinds: readonly CaptureKind[] = ['full', 'differential', 'log']

export function kindOption(): Option {
  return new Option('--kind <kind>', 'full, differential or log; what the application can do').default('full')
}

/** Throws a `UsageError` for what is no kind. */
export function kindNamed(text: string): CaptureKind {
  const kind = kinds.find((candidate) => candidate === text)
  if (kind !== undefined) return kind
  const closest = nearest(text, kinds)
  throw new UsageError(
    `${JSON.stringify(text)} is no kind of backup`,
    closest === undefined ? `The kinds are ${kinds.join(', ')}.` : `Did you mean --kind ${closest}?`,
  )
}

/** Throws a `UsageError` for what is no kind, and for a kind this agent cannot do. */
export function kindOf(text: string, agent: Agent): CaptureKind {
  const kind = kindNamed(text)
  if (agent.supports.kinds.includes(kind)) return kind
  throw new UsageError(
    `the agent for ${agent.application} cannot make ${kind} backups`,
    `Use --kind ${agent.supports.kinds.join(' or --kind ')}.`,
  )
}

/** For options that may be given several times, or once with several values. */
export function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

export function itemOption(what: string): Option {
  return new Option('--item <name>', `${what}; may be given several times`).argParser(several)
}

/** Named only when there are any, for exact optional properties. */
export function itemsOf(items: readonly string[] | undefined): { readonly items?: readonly string[] } {
  return items === undefined ? {} : { items }
}

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`
}
