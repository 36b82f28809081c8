import { type ChannelSettings, channelSettingsSchema } from '@backup-planet/notifications'
import * as z from 'zod'
import { holdsReference } from './secret-references.ts'

const kinds = ['email', 'webhook', 'ping'] as const satisfies readonly ChannelSettings['kind'][]

/**
 * A channel with references in it, which are followed when it is used: everything is checked by the schema of its kind now, but what stands
 * where a reference does.
 */
export const channelSchema = z.looseObject({ kind: z.enum(kinds, 'expected email, webhook or ping') }).superRefine((channel, context) => {
  const { error } = channelSettingsSchema.safeParse(channel)
  for (const issue of error?.issues ?? []) {
    if (holdsReference(valueAt(channel, issue.path))) continue
    context.issues.push({ ...issue, input: channel } as z.core.$ZodRawIssue)
  }
})

export type ChannelConfiguration = z.output<typeof channelSchema>

/** Of the kind that a channel says it is. */
export function channelSettingNames(channel: unknown): readonly string[] {
  const kind: unknown = typeof channel === 'object' && channel !== null && 'kind' in channel ? channel.kind : undefined
  const chosen = channelSettingsSchema.options.find((option) => option.shape.kind.value === kind)
  return chosen === undefined ? ['kind'] : Object.keys(chosen.shape)
}

/** Who knows the URL of a webhook, or a token in its headers, may send: places of those that are written out. */
export function plainChannelSecrets(channels: Readonly<Record<string, ChannelConfiguration>> = {}): readonly string[] {
  return Object.entries(channels).flatMap(([name, { url, headers }]) => [
    ...(typeof url === 'string' && !holdsReference(url) ? [`notifications.channels.${name}.url`] : []),
    ...Object.entries(typeof headers === 'object' && headers !== null ? headers : {})
      .filter(([header, value]) => /auth|token|key|secret/i.test(header) && !holdsReference(value))
      .map(([header]) => `notifications.channels.${name}.headers.${header}`),
  ])
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value
  for (const part of path)
    current = typeof current === 'object' && current !== null ? (current as Readonly<Record<PropertyKey, unknown>>)[part] : undefined
  return current
}
