import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from '../__fixtures__/command-line-run.ts'
import { eventDocumentation, eventTexts, lineTexts } from './event-documentation.ts'

const documentation = join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'events.md')

test('docs/events.md is what the types say; "npx vitest run -u" of this file writes it', async () => {
  expect((await readFile(documentation, 'utf8').catch(() => '')).length).toBeGreaterThan(0)
  await expect(eventDocumentation()).toMatchFileSnapshot(documentation)
})

test('every line that a command writes is documented, with every field', async () => {
  await using here = await commandLineOf(sampleConfiguration)
  const to = ['--to', 'scratch', '--overwrite', '--yes']
  const commands = [
    ['version'],
    ['discover', 'shop'],
    ['check'],
    ['run', 'shop', '--plan'],
    ['run', 'shop'],
    ['list'],
    ['restore', 'shop', ...to, '--plan'],
    ['restore', 'shop', ...to],
    ['files', 'shop', '--to', join(here.directory, 'files')],
    ['verify'],
    ['run', 'nosuch'],
  ]
  const seen = new Set<string>()
  for (const argv of commands) {
    const { lines } = await here.run([...argv, '--json'])
    expect(lines.length).toBeGreaterThan(0)
    expect(['result', 'failure']).toContain(lines.at(-1)?.type)
    for (const { type, command, ...fields } of lines) {
      const name = nameOf(String(type), command, argv)
      seen.add(name)
      expect(Object.keys(fields).filter((field) => !documentedFields(name).includes(field))).toEqual([])
    }
  }
  expect([...seen]).toEqual(expect.arrayContaining(Object.keys(lineTexts).filter((name) => name !== 'result of init')))
  expect([...seen]).toEqual(expect.arrayContaining(['started', 'item', 'bytes', 'captured', 'stored', 'confirmed', 'finished']))
})

function nameOf(type: string, command: unknown, argv: readonly string[]): string {
  if (type === 'result') return `result of ${command}${argv.includes('--plan') ? ' --plan' : ''}`
  return { backup: 'backup (list)', finding: 'finding (verify)' }[type] ?? type
}

function documentedFields(name: string): readonly string[] {
  const events: Readonly<Record<string, { readonly fields: object }>> = eventTexts
  const lines: Readonly<Record<string, readonly string[]>> = lineTexts
  return lines[name] ?? Object.keys(events[name]?.fields ?? {})
}
