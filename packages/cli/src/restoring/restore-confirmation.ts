import type { RestorePlan } from '@backup-planet/core'
import { ask, canAsk } from '../asking/operator-answer.ts'
import type { CommandContext } from '../command-context.ts'
import { printable } from '../output/output.ts'
import { UsageError } from '../usage-error.ts'

/** Everything on the target that a plan replaces, item by item. */
export function replacedBy(plan: RestorePlan): readonly string[] {
  return plan.items.flatMap(({ to, overwrites }) => (overwrites.length === 0 ? [] : [`${to} (${overwrites.join(', ')})`]))
}

/**
 * Has the operator type the name of the target before anything on it is replaced. Throws a `UsageError` where nobody can
 * be asked, and when something else is typed.
 */
export async function confirmReplacing(plan: RestorePlan, context: CommandContext): Promise<void> {
  const replaced = replacedBy(plan)
  const name = plan.target.name
  if (!canAsk(context)) {
    throw new UsageError(
      `this restore replaces ${replaced.join(', ')} on ${name}, and nobody can be asked`,
      'Look at the plan with --plan, then pass --yes to agree to it.',
    )
  }
  context.output.remark(`This replaces on ${printable(name)}: ${replaced.map(printable).join(', ')}`)
  const answer = await ask(`Type the name of the server (${printable(name)}) to go on: `, context)
  if (answer.trim() !== name)
    throw new UsageError('the name was not typed; nothing was changed', 'Start again and type the name exactly as it is shown.')
}
