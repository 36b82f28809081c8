import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RepositoryKey } from '@backup-planet/core'
import { afterAll, expect, test } from 'vitest'
import { commandLineOf } from '../__fixtures__/command-line-run.ts'
import { memoryConfiguration, memoryPlugin, memoryServers } from '../__fixtures__/memory-plugin.ts'
import { commandLineWithRestic, removeResticTemplate } from '../__fixtures__/restic-configuration.ts'
import { eventDocumentation, eventTexts, lineTexts } from './event-documentation.ts'

afterAll(removeResticTemplate)

const documentation = join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'events.md')

test('docs/events.md is what the types say; "npx vitest run -u" of this file writes it', async () => {
  expect((await readFile(documentation, 'utf8').catch(() => '')).length).toBeGreaterThan(0)
  await expect(eventDocumentation()).toMatchFileSnapshot(documentation)
})

test('every line that a command writes is documented, with every field', { timeout: 120_000 }, async () => {
  await using here = await commandLineWithRestic()
  await writeFile(
    here.file,
    (await readFile(here.file, 'utf8')).replace('repository: local', 'repository: local\n    retention: { keepLast: 1 }'),
  )
  await appendFile(here.file, `notifications: { channels: { nobody: { kind: ping, url: "https://\${env:NO_SUCH_HOST}/" } } }\n`)
  const newPassword = join(here.directory, 'new password')
  await writeFile(newPassword, 'another password')
  const ofOffsite = ['--repository', 'offsite']
  const to = ['--to', 'scratch', '--overwrite', '--yes']
  const commands = [
    ['version'],
    ['discover', 'shop'],
    ['check'],
    ['run', 'shop', '--plan'],
    ['run', 'shop'],
    ['list'],
    ['windows', 'shop'],
    ['status'],
    ['restore', 'shop', ...to, '--plan'],
    ['restore', 'shop', ...to],
    ['files', 'shop', '--to', join(here.directory, 'files')],
    ['verify'],
    ['drill', 'shop'],
    ['evidence', 'shop', '--verify'],
    ['evidence', '--new-key', join(here.directory, 'evidence.key')],
    ['init'],
    ['copy', 'shop', '--to', 'offsite'],
    ['prune', 'safe'],
    ['run', 'shop'],
    ['prune', 'shop'],
    ['stats', 'safe'],
    ['report', '--html', join(here.directory, 'report.html')],
    ['rebuild-index', 'safe'],
    ['unlock', 'safe'],
    ['key', 'passwd', ...ofOffsite, '--new-password-file', newPassword],
    ['key', 'add', ...ofOffsite, '--new-password-file', newPassword],
    ['key', 'list', ...ofOffsite],
    ['key', 'remove', 'KEY', ...ofOffsite],
    ['notify', '--test'],
    ['run', 'nosuch'],
  ]
  const seen = new Set<string>()
  let removable = ''
  for (const argv of commands) {
    const { lines } = await here.run([...argv.map((word) => (word === 'KEY' ? removable : word)), '--json'])
    for (const { id, current } of (lines.at(-1)?.keys ?? []) as readonly RepositoryKey[]) if (!current) removable = id
    expect(lines.length).toBeGreaterThan(0)
    expect(['result', 'failure']).toContain(lines.at(-1)?.type)
    for (const { type, command, ...fields } of lines) {
      const name = nameOf(String(type), command, argv)
      seen.add(name)
      expect(Object.keys(fields).filter((field) => !documentedFields(name).includes(field))).toEqual([])
    }
  }
  for (const { type, command, ...fields } of await linesOfFollow()) {
    const name = nameOf(String(type), command, ['follow'])
    seen.add(name)
    expect(Object.keys(fields).filter((field) => !documentedFields(name).includes(field))).toEqual([])
  }
  expect([...seen]).toEqual(expect.arrayContaining(Object.keys(lineTexts)))
  expect([...seen]).toEqual(expect.arrayContaining(['following', 'restorable', 'waiting']))
  expect([...seen]).toEqual(expect.arrayContaining(['started', 'removed', 'item', 'bytes', 'captured', 'stored', 'confirmed', 'finished']))
})

/** Until it was stopped, with a server that was not there for a while. */
async function linesOfFollow(): Promise<readonly Record<string, unknown>[]> {
  await using here = await commandLineOf(memoryConfiguration)
  const servers = memoryServers()
  servers.source.stop()
  const controller = new AbortController()
  const stdout = {
    text: '',
    write(more: string) {
      this.text += more
      if (more.includes('"type":"waiting"')) servers.source.start()
      if (more.includes('"type":"following"')) controller.abort()
    },
  }
  await here.run(['follow', 'shop', '--json'], { plugins: [memoryPlugin(servers)], signal: controller.signal, stdout })
  return stdout.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

function nameOf(type: string, command: unknown, argv: readonly string[]): string {
  if (type === 'result' && command === 'prune' && argv[1] === 'shop') return 'result of prune JOB'
  if (type === 'result') return `result of ${command}${argv.includes('--plan') ? ' --plan' : ''}`
  return { backup: 'backup (list)', finding: 'finding (verify)', retention: 'retention (prune)' }[type] ?? type
}

function documentedFields(name: string): readonly string[] {
  const events: Readonly<Record<string, { readonly fields: object }>> = eventTexts
  const lines: Readonly<Record<string, readonly string[]>> = lineTexts
  return lines[name] ?? Object.keys(events[name]?.fields ?? {})
}
