import { nearest } from '@backup-planet/core'
import type { NotificationMessage } from '../rules/notification-message.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

const placeholders = [
  'id',
  'type',
  'severity',
  'at',
  'host',
  'job',
  'task',
  'subject',
  'body',
  'code',
  'message',
  'hint',
  'lastSuccess',
  'restorableUntil',
] as const satisfies readonly (keyof NotificationMessage)[]

const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g

/** Placeholders that mean nothing, with the nearest that does. */
export function templateProblems(template: Json): readonly string[] {
  return textsIn(template).flatMap((text) =>
    [...text.matchAll(placeholder)].flatMap(([, name = '']) => {
      if ((placeholders as readonly string[]).includes(name)) return []
      const closest = nearest(name, placeholders)
      return [
        `has an unknown placeholder {{${name}}}, ${closest === undefined ? `known are ${placeholders.join(', ')}` : `did you mean {{${closest}}}?`}`,
      ]
    }),
  )
}

/** The template with everything filled in; what a message does not have is empty. Values stay values: none can end its text and begin another. */
export function fillTemplate(template: Json, message: NotificationMessage): Json {
  if (typeof template === 'string') return template.replace(placeholder, (_, name: (typeof placeholders)[number]) => message[name] ?? '')
  if (Array.isArray(template)) return template.map((entry: Json) => fillTemplate(entry, message))
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, entry]) => [key, fillTemplate(entry, message)]))
}

function textsIn(template: Json): readonly string[] {
  if (typeof template === 'string') return [template]
  return typeof template === 'object' && template !== null ? Object.values(template).flatMap((entry) => textsIn(entry)) : []
}
