import { parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { templateProblems } from './channels/webhook-template.ts'
import { messageTypes } from './rules/notification-message.ts'

const text = z.string().min(1, 'must not be empty')

/** Some runs are told of by pings, all else by people's channels. */
const runTypes = ['run-started', 'run-succeeded', 'run-failed'] as const
const toldByDefault = messageTypes.filter((type) => !(runTypes as readonly string[]).includes(type))

const mailbox = z
  .string()
  .regex(
    /^(?:[^\s<>,;:@"]+@[^\s<>,;:@"]+|[^<>,;:@"\r\n]*<[^\s<>,;:@"]+@[^\s<>,;:@"]+>)$/,
    'must be an address such as ops@example.org, or a name and an address such as Backups <backup@example.org>',
  )

const host = text.regex(/^[^\s/@-][^\s/@]*$/, 'must be a host name or an address')

const caFile = text.regex(/^(\/|[A-Za-z]:[/\\])/, 'must be an absolute path')

const everyShape = {
  /** All when left out; names of jobs otherwise. */
  jobs: z.array(text).min(1, 'must name a job').optional(),
  /** How long one message may take. */
  timeoutSeconds: z.number().min(1).max(600).default(30),
}

const peopleShape = { ...everyShape, on: z.array(z.enum(messageTypes)).min(1, 'must name something').default(toldByDefault) }

const webShape = {
  /** A secret: who knows it may send. Printed is its host, and no more. */
  url: z.string().refine((address) => isWebAddress(address), 'must be a URL that begins with https:// and holds no user or password'),
  /** Whether the URL may begin with `http://`: then everybody on the way reads what is sent, the secret in the URL included. */
  insecure: z.boolean().default(false),
  /** Sent with each request, such as `Authorization`. */
  headers: z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be the name of a header'),
      z.string().regex(/^[^\r\n\0]*$/, 'must be one line'),
    )
    .default({}),
  /** Of authorities to trust beside those of the system: a file in PEM. */
  caFile: caFile.optional(),
}

const notInsecure = ({ url, insecure }: { readonly url: string; readonly insecure: boolean }): boolean => insecure || !/^http:/i.test(url)
const insecureProblem = {
  path: ['url'],
  message: 'begins with http://, so that everybody on the way can read the secret in it; use https://, or set insecure: true',
}

const emailSchema = z
  .strictObject({
    kind: z.literal('email'),
    ...peopleShape,
    host,
    /** 587, with `security: tls` 465. */
    port: z.int().min(1).max(65_535).optional(),
    /** `starttls`: as plain text until both have agreed on TLS, and not without. `tls` from the first byte. `none`: readable on the way, the password too. */
    security: z.enum(['starttls', 'tls', 'none']).default('starttls'),
    user: text.optional(),
    password: text.optional(),
    from: mailbox,
    to: z.union([mailbox, z.array(mailbox).min(1, 'must name somebody')]),
    replyTo: mailbox.optional(),
    caFile: caFile.optional(),
  })
  .refine(({ user, password }) => (user === undefined) === (password === undefined), {
    path: ['user'],
    message: 'needs a password, and a password a user',
  })

const webhookSchema = z
  .strictObject({
    kind: z.literal('webhook'),
    ...peopleShape,
    ...webShape,
    /** The shape of what is sent; `json` is the message as it is. */
    preset: z.enum(['slack', 'teams', 'discord', 'json']).default('json'),
    /** In place of a preset: a block that is sent as JSON, or a text that is sent as it is, with `{{subject}}` and others in it. */
    template: z
      .json()
      .superRefine((template, context) => {
        for (const message of templateProblems(template)) context.addIssue({ code: 'custom', message })
      })
      .optional(),
    method: z.enum(['POST', 'PUT']).default('POST'),
  })
  .refine(notInsecure, insecureProblem)

const pingSchema = z
  .strictObject({
    kind: z.literal('ping'),
    ...everyShape,
    ...webShape,
    on: z
      .array(z.enum(runTypes))
      .min(1, 'must name something')
      .default([...runTypes]),
    /** Such as `[log]`: all when left out. A check that expects one rhythm should hear of one task. */
    tasks: z.array(text).min(1, 'must name a task').optional(),
  })
  .refine(notInsecure, insecureProblem)

/** One channel, told apart by `kind`. */
export const channelSettingsSchema = z.discriminatedUnion('kind', [emailSchema, webhookSchema, pingSchema])

/** What is given for a channel: defaults may be left out. */
export type ChannelSettings = z.input<typeof channelSettingsSchema>
export type ResolvedChannelSettings = z.output<typeof channelSettingsSchema>
export type EmailSettings = z.output<typeof emailSchema>
export type WebhookSettings = z.output<typeof webhookSchema>
export type PingSettings = z.output<typeof pingSchema>

/** Throws `INVALID_SETTINGS` that names every problem at once and shows no value. */
export function resolveChannelSettings(settings: unknown, where: string): ResolvedChannelSettings {
  return parseSettings(channelSettingsSchema, settings, where)
}

function isWebAddress(address: string): boolean {
  const url = URL.parse(address)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}
