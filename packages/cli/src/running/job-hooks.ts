import type { HookedParts } from '@backup-planet/core'
import type { JobConfiguration } from '../configuration/configuration-schema.ts'
import type { SecretMask } from '../configuration/secret-mask.ts'
import { referencedSecretVariables } from '../configuration/secret-references.ts'
import type { Workspace } from '../workspace/workspace.ts'

type ConfiguredHooks = NonNullable<JobConfiguration['hooks']>

/** The hooks of a job: without the secrets of the configuration in their environment, and with all that are known hidden in what they write. */
export function jobHooks(
  { configuration }: Pick<Workspace, 'configuration'>,
  job: string,
  mask: SecretMask,
): Pick<HookedParts<unknown>, 'hooks' | 'environment' | 'secrets'> {
  return {
    hooks: coreHooks(configuration.job(job).hooks ?? {}),
    environment: Object.fromEntries(referencedSecretVariables(configuration.content).map((name) => [name, undefined])),
    secrets: mask.remembered,
  }
}

function coreHooks({ before = [], after = [] }: ConfiguredHooks) {
  const hookOf = ({ command: [program = '', ...rest], timeout, essential }: NonNullable<ConfiguredHooks['before']>[number]) => ({
    command: [program, ...rest] as const,
    timeoutMs: timeout,
    essential,
  })
  return { before: before.map(hookOf), after: after.map(hookOf) }
}
