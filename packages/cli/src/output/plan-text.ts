import { type CapturePlan, describeBytes, type PlanStep, type Problem, type RestorePlan, type RestorePlanItem } from '@backup-planet/core'
import { printable } from './output.ts'
import { textTable } from './text-table.ts'

export function capturePlanText(plan: CapturePlan): string {
  const size = plan.bytes === undefined ? '' : `, about ${describeBytes(plan.bytes)}`
  return [
    `${plan.kind} backup of ${printable(plan.source)} (${plan.application}), ${count(plan.items.length, 'item')}${size}`,
    ...(plan.reason === undefined ? [] : [`why ${plan.kind}: ${printable(plan.reason)}`]),
    '',
    ...stepLines(plan.steps),
  ].join('\n')
}

export function restorePlanText(plan: RestorePlan): string {
  const size = plan.bytes === undefined ? '' : `, about ${describeBytes(plan.bytes)}`
  const rows = foldedItems(plan).map(([{ item, to, backup, overwrites }, ...others]) => [
    item,
    to,
    others.length === 0 ? backup : `${backup} … ${others.at(-1)?.backup} (${count(others.length + 1, 'backup')})`,
    overwrites.length === 0 ? 'nothing' : overwrites.join(', '),
  ])
  return [
    `restore to ${printable(plan.target.name)} (${plan.application}), ${count(plan.items.length, 'item')}${size}`,
    '',
    textTable([{ title: 'ITEM' }, { title: 'TO' }, { title: 'FROM BACKUP' }, { title: 'REPLACES' }], rows),
    '',
    ...stepLines(plan.steps),
    ...(plan.problems.length === 0 ? [] : ['', problemsText(errorsLast(plan.problems))]),
  ].join('\n')
}

/** One row for an item that comes from one log after the other: of those there can be thousands. */
function foldedItems({ items, chain }: RestorePlan): (readonly [RestorePlanItem, ...RestorePlanItem[]])[] {
  const logs = new Set(chain?.backups.flatMap(({ id, kind }) => (kind === 'log' ? [id] : [])))
  const rows: [RestorePlanItem, ...RestorePlanItem[]][] = []
  const open = new Map<string, [RestorePlanItem, ...RestorePlanItem[]]>()
  for (const item of items) {
    const key = JSON.stringify([item.item, item.to, item.overwrites])
    const row = logs.has(item.backup) ? open.get(key) : undefined
    if (row === undefined) {
      const next: [RestorePlanItem, ...RestorePlanItem[]] = [item]
      rows.push(next)
      if (logs.has(item.backup)) open.set(key, next)
    } else row.push(item)
  }
  return rows
}

export function problemsText(problems: readonly Problem[]): string {
  return problems
    .flatMap(({ severity, code, message, hint, item }) => [
      `${severity}: ${code}${item === undefined ? '' : ` (${printable(item)})`}`,
      `  ${printable(message)}`,
      `  hint: ${printable(hint)}`,
    ])
    .join('\n')
}

/** Below a long plan, what stands against it is what is read last. */
function errorsLast(problems: readonly Problem[]): readonly Problem[] {
  const isError = ({ severity }: Problem) => severity === 'error'
  return [...problems.filter((problem) => !isError(problem)), ...problems.filter(isError)]
}

export function count(amount: number, singular: string): string {
  return `${amount} ${amount === 1 ? singular : `${singular}s`}`
}

function stepLines(steps: readonly PlanStep[]): readonly string[] {
  const width = String(steps.at(-1)?.number ?? 0).length
  return steps.map(({ number, text }) => `${String(number).padStart(width + 1)}. ${printable(text)}`)
}
