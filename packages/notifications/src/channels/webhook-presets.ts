import type { NotificationMessage } from '../rules/notification-message.ts'
import type { Json } from './webhook-template.ts'

export type WebhookPreset = 'slack' | 'teams' | 'discord' | 'json'

/** What each service takes. Texts are put where the service reads no markup, or what it would read as markup is taken out of them. */
export const webhookPresets: Readonly<Record<WebhookPreset, (message: NotificationMessage) => Json>> = { slack, teams, discord, json }

/**
 * Slack, "Sending messages using incoming webhooks" and "Block Kit reference": a header of 150 characters and a section of 3000 at most, as
 * plain_text. `text` is what a phone shows before it is opened, and is markup: `&`, `<` and `>` are written as entities, so that nobody is called.
 */
function slack({ subject, body, severity }: NotificationMessage): Json {
  const sign = { bad: ':red_circle:', warning: ':large_yellow_circle:', good: ':large_green_circle:', neutral: ':white_circle:' }[severity]
  return {
    text: subject.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: `${sign} ${cut(subject, 120)}`, emoji: true } },
      { type: 'section', text: { type: 'plain_text', text: cut(body, 3000), emoji: false } },
    ],
  }
}

/**
 * Microsoft Teams, the workflow "Post to a channel when a webhook request is received", which takes the message of the former connectors:
 * one Adaptive Card. Version 1.4 is what Teams shows everywhere. A RichTextBlock (since 1.2) shows its text as it is; a TextBlock would read Markdown.
 */
function teams({ subject, body, severity }: NotificationMessage): Json {
  const color = { bad: 'Attention', warning: 'Warning', good: 'Good', neutral: 'Default' }[severity]
  const title = { type: 'TextRun', text: cut(subject, 500), weight: 'Bolder', size: 'Medium', color }
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          msteams: { width: 'Full' },
          body: [
            { type: 'RichTextBlock', inlines: [title] },
            ...cut(body, 10_000)
              .split('\n')
              .map((line) => ({
                type: 'RichTextBlock',
                spacing: line === '' ? 'Medium' : 'None',
                inlines: [{ type: 'TextRun', text: line === '' ? ' ' : line }],
              })),
          ].slice(0, 200),
        },
      },
    ],
  }
}

/**
 * Discord, "Execute Webhook" and "Embed Limits": a title of 256 characters, a description of 4096, 6000 in all. `allowed_mentions` without
 * anything calls nobody, and a description in a block of code is read as no markup.
 */
function discord({ subject, body, severity, at }: NotificationMessage): Json {
  const color = { bad: 0xd3_2f_2f, warning: 0xf9_a8_25, good: 0x2e_7d_32, neutral: 0x60_7d_8b }[severity]
  const description = `\`\`\`\n${cut(body, 4000).replaceAll('```', "'''")}\n\`\`\``
  return {
    allowed_mentions: { parse: [] },
    embeds: [{ title: cut(subject.replaceAll(/[\\*_~`|<>[\]()#]/g, '\\$&'), 256), description, color, timestamp: at }],
  }
}

/** For programs: the message as it is, with the version of its shape. What is not known is left out. */
function json(message: NotificationMessage): Json {
  return { version: 1, ...message } as unknown as Json
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 2).toWellFormed()} …`
}
