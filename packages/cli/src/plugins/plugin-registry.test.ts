import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPluginRegistry, ownPlugins, type PluginRegistry } from './plugin-registry.ts'

let directory: string
let registry: PluginRegistry

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-plugins-'))
  registry = createPluginRegistry({ directory })
})
afterEach(() => rm(directory, { recursive: true }))

async function installed(name: string, source: string, exports: unknown = './index.js'): Promise<void> {
  const folder = join(directory, 'node_modules', name)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, type: 'module', exports }))
  await writeFile(join(folder, 'index.js'), source)
}

const agentSource = (application: string, contract = 'agent-plugin/1') =>
  `export const plugin = { contract: '${contract}', application: '${application}', exampleSettings: '', create() {} }`

describe('what is not there or does not fit is refused with what to do', () => {
  test.each(['exchange', 'postgres'])('an agent that nobody has published (%s): no package is told to be installed', async (name) => {
    await expect(registry.agent(name)).rejects.toMatchObject({
      code: 'INVALID_SETTINGS',
      message: `there is no agent plugin for "${name}" installed`,
      hint: `Of this project there is mysql. A package of somebody else is found when it is installed and called backup-planet-agent-${name}; name any other with "plugin:".`,
    })
  })

  test('a repository and an uploader of somebody else', async () => {
    await expect(registry.repository('tape')).rejects.toMatchObject({ hint: expect.stringContaining('backup-planet-repository-tape;') })
    await expect(registry.uploader('webdav')).rejects.toMatchObject({ hint: expect.stringContaining('backup-planet-uploader-webdav;') })
  })

  test('a misspelt one', async () => {
    await expect(registry.agent('mysq')).rejects.toMatchObject({ hint: expect.stringMatching(/^Did you mean "mysql"\? Of this project/) })
    await expect(registry.repository('archiv')).rejects.toMatchObject({ hint: expect.stringMatching(/^Did you mean "archive"\?/) })
  })

  test.each(['../../etc', 'a/b', 'A b', '', '@x/y', '__proto__'])('%j, which is no name', async (name) => {
    await expect(registry.agent(name)).rejects.toMatchObject({ hint: 'Use mysql, or name a package or file with "plugin:".' })
  })

  test('a path that leads nowhere', async () => {
    await expect(registry.agent('x', './x.js')).rejects.toMatchObject({
      hint: 'Correct the path; it is relative to the configuration file.',
    })
  })

  test('a package without plugin, of another contract, or for another application', async () => {
    await installed('backup-planet-agent-empty', 'export const nothing = 1')
    await expect(registry.agent('empty')).rejects.toThrow('backup-planet-agent-empty exports no "plugin"')
    await installed('backup-planet-agent-newer', agentSource('newer', 'agent-plugin/2'))
    await expect(registry.agent('newer')).rejects.toThrow(
      'backup-planet-agent-newer offers the contract "agent-plugin/2", and agent-plugin/1 is needed',
    )
    await installed('backup-planet-agent-other', agentSource('another'))
    await expect(registry.agent('other')).rejects.toThrow('backup-planet-agent-other is for another, not for "other"')
  })

  test('a package that is there and breaks is not told as missing', async () => {
    await installed('backup-planet-agent-broken', "import 'not-installed-at-all'")
    await expect(registry.agent('broken')).rejects.toThrow('the plugin "backup-planet-agent-broken" is installed and cannot be loaded')
  })
})

test('what is suggested is what this repository publishes', async () => {
  const folder = join(import.meta.dirname, '../../..')
  const isPrivate = async (name: string): Promise<boolean> =>
    (JSON.parse(await readFile(join(folder, name, 'package.json'), 'utf8')) as { readonly private?: boolean }).private === true
  const packages: string[] = []
  for (const name of await readdir(folder)) if (!(await isPrivate(name))) packages.push(name)
  for (const role of ['agent', 'repository', 'uploader'] as const) {
    const found = packages.filter((name) => name.startsWith(`${role}-`)).map((name) => name.slice(role.length + 1))
    expect([...ownPlugins[role]].sort()).toEqual([...found, ...(role === 'uploader' ? ['file'] : [])].sort())
  }
})

test('directories are built in, and what is installed is found by its name', async () => {
  expect((await registry.uploader('file')).schemes).toContain('file')
  await installed('@backup-planet/agent-sample', agentSource('sample'))
  expect((await registry.agent('sample')).application).toBe('sample')
})

test('a package that only offers "import" is found too', async () => {
  await installed('backup-planet-agent-modern', agentSource('modern'), { '.': { import: { types: './x.d.ts', default: './index.js' } } })
  expect((await registry.agent('modern')).application).toBe('modern')
})

test('a file beside the configuration, and a package of any name', async () => {
  await writeFile(join(directory, 'mine.mjs'), agentSource('mine'))
  expect((await registry.agent('mine', './mine.mjs')).application).toBe('mine')
  await installed('@partner/backup', agentSource('partner'))
  expect((await registry.agent('partner', '@partner/backup')).application).toBe('partner')
})
