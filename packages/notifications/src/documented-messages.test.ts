import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { documentedMessages, shownMessage } from './__fixtures__/documented-messages.ts'
import { channelMessageTypes, messageTypes } from './rules/notification-message.ts'

const documentation = await readFile(join(import.meta.dirname, '..', '..', '..', 'docs', 'notifications.md'), 'utf8')

test('docs/notifications.md shows a message of each type, as it is made', () => {
  const messages = documentedMessages()
  expect(messages.map(({ type }) => type).toSorted()).toEqual([...messageTypes, ...channelMessageTypes].toSorted())
  for (const message of messages) expect(documentation).toContain(`#### \`${message.type}\`\n\n\`\`\`\n${shownMessage(message)}\n\`\`\`\n`)
})
