import { type Backup, BackupError, type RestorePlan } from '@backup-planet/core'
import * as z from 'zod'
import type { PhysicalChain } from './physical-chain.ts'

const schema = z.object({
  format: z.enum(['mbstream', 'xbstream']),
  /** Where the last backup of the plan ends by its record, as `file:offset`; null where the server wrote no binlog. */
  endsAt: z.string().nullable(),
  /** Numbers of the steps of the plan, by the names of their parts. */
  steps: z.record(z.string(), z.int()),
  /** Of the server that was copied; what a server that goes on with the copy must be told. */
  source: z.object({ version: z.string(), variables: z.record(z.string().regex(/^[a-z_]+$/), z.string().regex(/^\w+$/)) }),
})

/** What a plan of a physical restore keeps for its execution. */
export type PhysicalPlanFacts = z.output<typeof schema>

export function physicalPlanFacts(
  { full, differential }: PhysicalChain,
  steps: PhysicalPlanFacts['steps'],
): { readonly physical: PhysicalPlanFacts } {
  const last = (differential ?? full).backup
  const value = last.position?.value
  return {
    physical: {
      format: full.facts.format,
      endsAt: value === undefined ? null : `${value.file}:${value.offset}`,
      steps,
      source: { version: last.source.version, variables: variablesOf(last) },
    },
  }
}

/** What a server that goes on with the data of a backup must be told, as far as the backup says. */
export function variablesOf({ facts: { lowerCaseTableNames, characterSet, collation } }: Pick<Backup, 'facts'>): Record<string, string> {
  return words({ lower_case_table_names: lowerCaseTableNames, character_set_server: characterSet, collation_server: collation })
}

/** What a server could be given as an option, and no more than a word. */
function words(values: Readonly<Record<string, unknown>>): Record<string, string> {
  const texts = Object.entries(values).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value] as const)
  return Object.fromEntries(texts.filter((entry): entry is [string, string] => typeof entry[1] === 'string' && /^\w+$/.test(entry[1])))
}

/** Whether a plan is one of a physical restore. */
export function isPhysicalPlan(plan: RestorePlan): boolean {
  return plan.facts?.physical !== undefined
}

/** Throws `INVALID_INPUT` for a plan that was not made here. */
export function physicalFactsOf(plan: RestorePlan): PhysicalPlanFacts {
  const parsed = schema.safeParse(plan.facts?.physical)
  if (parsed.success) return parsed.data
  throw new BackupError(`plan ${plan.id} does not say what it restores`, { code: 'INVALID_INPUT', hint: 'Plan the restore anew.' })
}
