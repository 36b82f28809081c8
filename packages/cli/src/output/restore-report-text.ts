import { isRestored, itemsLeftOut, type RestoredItem, type RestorePlan, type RestoreReport } from '@backup-planet/core'
import { printable } from './output.ts'
import { count, problemsText } from './plan-text.ts'

/** What a restore did: problems and what went well first, what failed at the very end, where it is seen. */
export function restoreReportText({ items, problems }: RestoreReport, plan: RestorePlan): string {
  const restored = items.filter(isRestored)
  const failed = items.filter((item) => !isRestored(item))
  const leftOut = itemsLeftOut(plan)
  const all = items.length + leftOut.length
  const amount = restored.length === all ? count(all, 'item') : `${restored.length} of ${count(all, 'item')}`
  return [
    ...(problems.length === 0 ? [] : [problemsText(problems)]),
    ...restored.map((item) => `restored: ${nameOf(item)}${checksText(item)}`),
    ...failed.flatMap(failedLines),
    `restored ${amount} of ${plan.backups.join(', ')} on ${printable(plan.target.name)}`,
    ...(failed.length === 0 ? [] : [`NOT restored: ${failed.map(nameOf).join(', ')}`]),
    ...(leftOut.length === 0 ? [] : [`NOT restored, because they are not whole in this backup: ${leftOut.map(printable).join(', ')}`]),
  ].join('\n')
}

function nameOf({ item, to }: RestoredItem): string {
  return item === to ? printable(item) : `${printable(item)} as ${printable(to)}`
}

function checksText({ checks }: RestoredItem): string {
  return checks.length === 0 ? '' : `, ${checks.filter(({ passed }) => passed).length} of ${count(checks.length, 'check')} passed`
}

/** An item whose checks differ is as good as failed: what is on the server is not what was backed up. */
function failedLines(item: RestoredItem): readonly string[] {
  const { failure, checks } = item
  if (failure !== undefined) {
    const hint = failure.hint ?? 'Run the same command again once this is solved; it goes on where it stopped.'
    return [`failed: ${failure.code} (${nameOf(item)})`, `  ${printable(failure.message)}`, `  hint: ${printable(hint)}`]
  }
  const wrong = checks.filter(({ passed }) => !passed)
  return [
    `differs: ${nameOf(item)}${checksText(item)}`,
    ...wrong.map(
      ({ name, expected, found }) => `  differs: ${printable(name)}, expected ${printable(expected)}, found ${printable(found)}`,
    ),
    '  hint: Restore this item once more under another name with --rename, and compare.',
  ]
}
