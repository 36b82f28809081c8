import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cruise, type IConfiguration } from 'dependency-cruiser'
import configuration from '../../.dependency-cruiser.mjs'

export interface LayeringViolation {
  readonly rule: string
  readonly from: string
  readonly to: string
  readonly reason: string
}

/** Every import below `directory` that breaks a rule of `.dependency-cruiser.mjs`, and how many files were read. */
export async function findLayeringViolations(directory: string): Promise<{ violations: readonly LayeringViolation[]; files: number }> {
  const rules: IConfiguration = configuration
  const folders = ['packages', 'examples', 'tooling', 'benchmarks', 'proofs'].filter((folder) => existsSync(join(directory, folder)))
  const { output } = await cruise(folders, {
    ...rules.options,
    baseDir: directory,
    validate: true,
    ruleSet: { forbidden: rules.forbidden ?? [] },
  })
  if (typeof output === 'string') throw new TypeError('dependency-cruiser answered with text instead of its result')
  const reasons = new Map(rules.forbidden?.map((rule) => [rule.name, rule.comment ?? '']))
  return {
    files: output.summary.totalCruised,
    violations: output.summary.violations.map((violation) => ({
      rule: violation.rule.name,
      from: violation.from,
      to: violation.to,
      reason: reasons.get(violation.rule.name) ?? '',
    })),
  }
}
