import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const repository = join(import.meta.dirname, '..')
const names = (await readdir(join(repository, 'packages'))).sort()
const descriptions = await Promise.all(names.map(packageJson))
/** What is not published is not whole yet: it exports no plugin until it is one. */
const unpublished = names.filter((_, index) => descriptions[index]?.private === true)
const plugins = names.filter((name) => /^(agent|uploader|repository)-/.test(name) && !unpublished.includes(name))

interface PackageJson {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly description: string
  readonly license: string
  readonly type: string
  readonly sideEffects: boolean
  readonly engines: { readonly node: string }
  readonly files: readonly string[]
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly publishConfig: Readonly<Record<string, unknown>>
  readonly repository: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

describe.each(names)('packages/%s', (name) => {
  const directory = join(repository, 'packages', name)

  test('has the files of every package', async () => {
    const files = await readdir(directory)
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json', 'src', 'tsconfig.json', 'tsup.config.ts']))
  })

  test('describes itself to npm like every other', async () => {
    const description = await packageJson(name)
    const core = await packageJson('core')
    expect(description.name).toBe(`@backup-planet/${name}`)
    expect(description.description.length).toBeGreaterThan(20)
    expect(description.repository).toEqual({ ...core.repository, directory: `packages/${name}` })
    expect(description).toMatchObject({
      license: 'Apache-2.0',
      type: 'module',
      sideEffects: false,
      engines: { node: '>=22.15' },
      publishConfig: { access: 'public', provenance: true },
      scripts: { build: 'tsup', types: 'tsc --noEmit -p tsconfig.json' },
    })
    expect(description.files).toEqual(expect.arrayContaining(['dist', 'src', '!src/**/*.test.ts', '!src/**/__fixtures__']))
  })

  test('exports its package.json first, and every entry as source, types and code', async () => {
    const { exports } = await packageJson(name)
    expect(Object.keys(exports).slice(0, 2)).toEqual(['./package.json', '.'])
    for (const [entry, conditions] of Object.entries(exports)) {
      if (typeof conditions === 'string') expect(conditions).toMatch(/\.json$/)
      else expect(Object.keys(conditions), entry).toEqual(['@backup-planet/source', 'types', 'default'])
    }
  })

  test('depends on versions of the catalog and on no sibling', async () => {
    const { dependencies = {}, devDependencies = {} } = await packageJson(name)
    for (const [dependency, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      expect(version, dependency).toMatch(dependency.startsWith('@backup-planet/') ? /^workspace:[\^*]$/ : /^catalog:$/)
    }
    if (name === 'cli') return
    const siblings = Object.keys(dependencies).filter((dependency) => dependency.startsWith('@backup-planet/'))
    expect(siblings).toEqual(name === 'core' ? [] : ['@backup-planet/core'])
  })

  test('has the licence of the repository', async () => {
    expect(await text(directory, 'LICENSE')).toBe(await text(repository, 'LICENSE'))
  })

  test('names every file <subject>-<role>.ts, and none after what it is not', async () => {
    const files = await readdir(join(directory, 'src'), { recursive: true, withFileTypes: true })
    const sources = files.filter((entry) => entry.isFile() && entry.name.endsWith('.ts')).map((entry) => entry.name)
    expect(sources).toContain('index.ts')
    for (const file of sources) {
      expect(file).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.contract\.test)?\.ts$/)
      expect(file).not.toMatch(/util|helper|manager|common|misc/)
    }
  })
})

describe.each(plugins)('the plugin packages/%s', (name) => {
  const directory = join(repository, 'packages', name)

  test('has a README with the sections of every plugin, in their order', async () => {
    const headings = (await text(directory, 'README.md')).match(/^## .+$/gm) ?? []
    const agents = name.startsWith('agent-') ? ['## Rights needed', '## What abort does'] : ['## What abort does']
    const expected = ['## Install', '## Example', '## Settings', ...agents]
    expect(headings.filter((heading) => expected.includes(heading))).toEqual(expected)
  })

  test('exports `plugin`, and its settings and errors lie where every plugin has them', async () => {
    expect(await text(directory, 'src', 'index.ts')).toMatch(/\bplugin\b/)
    const sources = await readdir(join(directory, 'src'))
    const subject = name.replace(/^(agent|uploader|repository)-/, '')
    expect(sources.some((file) => file.startsWith(subject) && file.endsWith('-settings.ts'))).toBe(true)
  })
})

test('packages that are not published say so and export no plugin', async () => {
  for (const name of unpublished) {
    expect(await text(repository, 'packages', name, 'README.md'), name).toMatch(/^\*\*Not published/m)
    expect(await text(repository, 'packages', name, 'src', 'index.ts'), name).not.toMatch(/\bplugin\b/)
  }
  for (const name of names.filter((one) => !unpublished.includes(one))) {
    const { dependencies = {} } = await packageJson(name)
    const needed = unpublished.filter((one) => Object.hasOwn(dependencies, `@backup-planet/${one}`))
    expect(needed, `${name} would be published without what it needs`).toEqual([])
  }
})

test('packages/cli installs the command', async () => {
  expect(await packageJson('cli')).toMatchObject({ bin: { 'backup-planet': './dist/main.js' } })
})

async function packageJson(name: string): Promise<PackageJson> {
  return JSON.parse(await text(repository, 'packages', name, 'package.json'))
}

function text(...path: readonly string[]): Promise<string> {
  return readFile(join(...path), 'utf8')
}
