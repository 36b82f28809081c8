import { type CapturePlan, describeBytes, type PlanStep, type Problem, type RestorePlan } from '@backup-planet/core'
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
  const rows = plan.items.map(({ item, to, backup, overwrites }) => [
    item,
    to,
    backup,
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
