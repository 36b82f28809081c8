import type { ChainLink } from '../chain/chain-link.ts'
import type { KeepRules, RetentionRules } from './retention-rules.ts'

/** Backups among which the newest of an hour, day, … are found. */
export interface RuleGroup {
  readonly rules: KeepRules
  readonly links: readonly ChainLink[]
}

/** What cannot stand for each other is apart: kinds with rules of their own, what is whole, what is not, and what nothing here leads to. Logs without rules are in none. */
export function ruleGroups(links: readonly ChainLink[], rules: RetentionRules, isRestorable: (id: string) => boolean): RuleGroup[] {
  const { differential = rules, log } = rules
  const rulesOf = { full: rules, differential, log } as const
  const groups = Map.groupBy(links, (link) => {
    const kind = link.kind === 'differential' && rules.differential === undefined ? 'full' : link.kind
    return JSON.stringify([kind, conditionOf(link, isRestorable)])
  })
  return [...groups.values()].flatMap((group) => {
    const ofKind = rulesOf[group[0]?.kind ?? 'full']
    return ofKind === undefined ? [] : [{ rules: ofKind, links: group }]
  })
}

function conditionOf({ id, backup, whole }: ChainLink, isRestorable: (id: string) => boolean): string {
  if (!isRestorable(id)) return 'nothing leads to it'
  if (backup.limitedTo !== undefined) return `limited to ${JSON.stringify(backup.limitedTo.toSorted())}`
  return whole ? 'whole' : 'partial'
}
