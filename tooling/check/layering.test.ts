import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import configuration from '../../.dependency-cruiser.mjs'
import { findLayeringViolations } from './layering.ts'

const innocent: Readonly<Record<string, string>> = {
  'packages/core/src/contracts/agent.ts': 'export interface Agent { readonly contract: string }\n',
  'packages/core/src/index.ts': "export type { Agent } from './contracts/agent.ts'\n",
  'packages/core/src/testing/index.ts': 'export const fake = 1\n',
  'packages/core/src/conformance/index.ts': "import { test } from 'vitest'\nexport const suite = test\n",
  'packages/agent-one/src/index.ts': "import { fake } from '@backup-planet/core/testing'\nexport const agent = fake\n",
  'packages/agent-one/src/agent.test.ts': "import { suite } from '@backup-planet/core/conformance'\nsuite\n",
  'packages/agent-one/src/__fixtures__/place.ts': "import { suite } from '@backup-planet/core/conformance'\nexport const place = suite\n",
  'packages/uploader-two/src/index.ts': 'export const uploader = 1\n',
  'packages/cli/src/index.ts': "import { agent } from '@backup-planet/agent-one'\nexport const command = agent\n",
}

const broken: readonly { readonly rule: string; readonly file: string; readonly text: string }[] = [
  {
    rule: 'contracts-stand-alone',
    file: 'packages/core/src/contracts/agent.ts',
    text: "import { readFileSync } from 'node:fs'\nexport const agent = readFileSync\n",
  },
  {
    rule: 'contracts-stand-alone',
    file: 'packages/core/src/contracts/agent.ts',
    text: "import type { fake } from '../testing/index.ts'\nexport type Agent = typeof fake\n",
  },
  {
    rule: 'plugins-know-only-core',
    file: 'packages/agent-one/src/index.ts',
    text: "import { uploader } from '@backup-planet/uploader-two'\nexport const agent = uploader\n",
  },
  {
    rule: 'plugins-know-only-core',
    file: 'packages/agent-one/src/index.ts',
    text: "import { uploader } from '../../uploader-two/src/index.ts'\nexport const agent = uploader\n",
  },
  {
    rule: 'core-knows-no-plugin',
    file: 'packages/core/src/index.ts',
    text: "import type { agent } from '@backup-planet/agent-one'\nexport type Agent = typeof agent\n",
  },
  {
    rule: 'nobody-knows-the-command',
    file: 'packages/uploader-two/src/index.ts',
    text: "import { command } from '@backup-planet/cli'\nexport const uploader = command\n",
  },
  {
    rule: 'through-the-front-door',
    file: 'packages/agent-one/src/index.ts',
    text: "import type { Agent } from '../../core/src/contracts/agent.ts'\nexport type One = Agent\n",
  },
  {
    rule: 'vitest-in-conformance-only',
    file: 'packages/core/src/testing/index.ts',
    text: "import { test } from 'vitest'\nexport const fake = test\n",
  },
  {
    rule: 'conformance-stays-outside',
    file: 'packages/agent-one/src/index.ts',
    text: "import { suite } from '@backup-planet/core/conformance'\nexport const agent = suite\n",
  },
  {
    rule: 'sources-without-tests',
    file: 'packages/agent-one/src/index.ts',
    text: "import './agent.test.ts'\nexport const agent = 1\n",
  },
  {
    rule: 'sources-without-tests',
    file: 'packages/agent-one/src/index.ts',
    text: "import { place } from './__fixtures__/place.ts'\nexport const agent = place\n",
  },
  {
    rule: 'declared-dependencies',
    file: 'packages/agent-one/src/index.ts',
    text: "import development from 'development-only'\nexport const agent = development\n",
  },
  {
    rule: 'declared-dependencies',
    file: 'packages/agent-one/src/index.ts',
    text: "import missing from 'declared-nowhere'\nexport const agent = missing\n",
  },
  {
    rule: 'no-circle',
    file: 'packages/core/src/testing/index.ts',
    text: "import { other } from './other.ts'\nexport const fake = other\n",
  },
]

test('a repository that keeps the rules has no violation', async () => {
  const { violations, files } = await findLayeringViolations(await repositoryOf({}))
  expect(violations).toEqual([])
  expect(files).toBeGreaterThanOrEqual(Object.keys(innocent).length)
})

test.each(broken)('$rule is found in $file', async ({ rule, file, text }) => {
  const other = "import { fake } from './index.ts'\nexport const other = () => fake\n"
  const directory = await repositoryOf({ [file]: text, ...(rule === 'no-circle' ? { 'packages/core/src/testing/other.ts': other } : {}) })
  const { violations } = await findLayeringViolations(directory)
  const found = violations.filter((violation) => violation.rule === rule)
  expect(found.map((violation) => violation.from)).toContain(file)
  expect(found[0]?.reason).toMatch(/\w+ \w+ \w+/)
})

test('every rule is broken on purpose above', () => {
  const rules = configuration.forbidden?.map((rule) => rule.name)
  expect(new Set(broken.map((attempt) => attempt.rule))).toEqual(new Set(rules))
})

async function repositoryOf(changes: Readonly<Record<string, string>>): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'layering-')))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [file, text] of Object.entries({ ...innocent, ...changes })) await write(join(directory, file), text)
  for (const name of ['core', 'agent-one', 'uploader-two', 'cli']) await packageOf(directory, name)
  for (const name of ['vitest', 'development-only']) {
    await write(join(directory, 'node_modules', name, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
    await write(join(directory, 'node_modules', name, 'index.js'), 'module.exports = {}\n')
  }
  return directory
}

async function packageOf(directory: string, name: string): Promise<void> {
  const description = {
    name: `@backup-planet/${name}`,
    version: '1.0.0',
    type: 'module',
    exports: {
      '.': { '@backup-planet/source': './src/index.ts' },
      './testing': { '@backup-planet/source': './src/testing/index.ts' },
      './conformance': { '@backup-planet/source': './src/conformance/index.ts' },
    },
    dependencies: { '@backup-planet/core': '1.0.0', '@backup-planet/agent-one': '1.0.0' },
    devDependencies: { vitest: '1.0.0', 'development-only': '1.0.0' },
  }
  await write(join(directory, 'packages', name, 'package.json'), JSON.stringify(description))
  await mkdir(join(directory, 'node_modules', '@backup-planet'), { recursive: true })
  await symlink(join(directory, 'packages', name), join(directory, 'node_modules', '@backup-planet', name), 'dir')
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}
