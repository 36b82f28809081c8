import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfiguration } from '../configuration/configuration-file.ts'
import { configurationSchema } from '../configuration/configuration-schema.ts'

const documentation = await readFile(join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'configuration.md'), 'utf8')

test('the complete example of docs/configuration.md is accepted, and every top-level key is described there', () => {
  const example = /```yaml\n(.*?)```/s.exec(documentation)?.[1] ?? ''
  const { content } = parseConfiguration(example, '/x.yaml')
  expect(Object.keys(content.jobs)).toEqual(['shop'])
  for (const key of Object.keys(configurationSchema.shape)) {
    expect(example).toContain(`${key}:`)
    expect(documentation).toMatch(new RegExp(`^### \`${key}`, 'm'))
  }
})

test('the error shown in docs/configuration.md is the error that is printed', () => {
  const broken = 'repositories: {}\njobs:\n  shop:\n    agent: mysql\n    repository: local\n    setings: {}\n'
  const shown = /^ {2}(backup-planet\.yaml:\d+:\d+: .*)$/m.exec(documentation)?.[1]
  expect(shown).toBeDefined()
  expect(() => parseConfiguration(broken, '/etc/backup-planet.yaml')).toThrow(shown)
})
