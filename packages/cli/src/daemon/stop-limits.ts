import type { ConfigurationContent } from '../configuration/configuration-schema.ts'

/** How long what runs may go on after the daemon was asked to stop, where the configuration says nothing. */
const defaultGraceMs = 5 * 60_000
/** Hooks that clear away are not cut short because a run may be. */
const shortestHooksMs = 30_000

/** How long what runs may go on after the daemon was asked to stop, in milliseconds. */
export function graceOf({ daemon }: Pick<ConfigurationContent, 'daemon'>): number {
  return daemon.grace ?? defaultGraceMs
}

/** How long the hooks after a run may take together once it was aborted, in milliseconds: as long once more. */
export function hooksLimitOf(content: Pick<ConfigurationContent, 'daemon'>): number {
  return Math.max(graceOf(content), shortestHooksMs)
}
