import { CheckFailure } from './check-block.ts'
import { findLayeringViolations } from './layering.ts'

/** Throws with every import that breaks a rule, each with the reason for the rule. */
export async function checkLayering(repository: string): Promise<string> {
  const { violations, files } = await findLayeringViolations(repository)
  if (violations.length === 0) return `${files} files import only what they may`
  throw new CheckFailure(violations.map(({ rule, from, to, reason }) => `${rule}: ${from} → ${to}\n  ${reason}`).join('\n\n'))
}
