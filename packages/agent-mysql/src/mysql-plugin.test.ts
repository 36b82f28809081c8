import { expect, it } from 'vitest'
import { mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'
import { plugin } from './mysql-plugin.ts'

const { exampleSettings = '' } = plugin

/** One setting a line, and each value JSON or a word. */
function read(text: string): object {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = line, value = ''] = /^(\w+): (.*)$/.exec(line) ?? []
      return [name, /^(?:\d+|true|false|\[.*|\{.*)$/.test(value) ? (JSON.parse(value) as unknown) : value]
    }),
  )
}

it('shows settings that are accepted in either mode', () => {
  expect(mysqlAgentSettingsSchema.safeParse(read(exampleSettings)).error).toBeUndefined()
  const physical = read(exampleSettings.replace('\n# mode: physical\n', '\nmode: physical\n'))
  expect(physical).toHaveProperty('mode', 'physical')
  expect(mysqlAgentSettingsSchema.safeParse(physical).error).toBeUndefined()
})

it('mentions log backups and following', () => {
  for (const word of ['Log backups', 'follow', 'log_bin']) expect(exampleSettings).toContain(word)
})
