import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import { testNodePath } from '../setup/own-node.mjs'
import { CheckFailure } from './check-block.ts'
import type { PackageDescription } from './check-packaging.ts'
import { runExamples } from './consumer-examples.ts'
import { exampleBlocks, packageExamples } from './readme-examples.ts'
import { runTool } from './run-tool.ts'

export interface ConsumerProject {
  readonly repository: string
  readonly directory: string
  readonly packages: readonly PackageDescription[]
  readonly tarballs: readonly string[]
}

/** A program of a README, compiled, inside of the consumer's project. */
export interface CompiledExample {
  /** `root`, or the folder of the package whose README shows it. */
  readonly readme: string
  readonly file: string
}

/** Commands that begin with `#!/usr/bin/env node` meet the Node that the packages are tried on. */
const environment = { PATH: `${dirname(testNodePath)}${delimiter}${process.env.PATH ?? ''}` }

/** An empty project of somebody else with nothing but our tarballs: throws a `CheckFailure` at what does not work there. */
export async function createConsumerProject(project: ConsumerProject): Promise<void> {
  const { directory, tarballs, packages, repository } = project
  await mkdir(directory)
  await writeJson(join(directory, 'package.json'), { name: 'a-user', private: true, type: 'module' })
  await runTool('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error', ...tarballs], {
    directory,
  })
  await importEverything(directory, packages)
  await runExamples(directory, await compileExamples(directory, repository, packages))
  await runConformance(directory, repository)
}

/** The example uploader passes the conformance suite as it is published, in the consumer's own vitest. */
async function runConformance(directory: string, repository: string): Promise<void> {
  await linkFromRepository(directory, repository, 'vitest')
  const example = join(repository, 'examples', 'write-your-own-uploader')
  const copy = join(directory, 'write-your-own-uploader')
  await cp(example, copy, { recursive: true, filter: (path) => path === example || path.endsWith('.ts') })
  const runner = join(directory, 'node_modules', 'vitest', 'vitest.mjs')
  const report = join(directory, 'conformance.json')
  await runTool(testNodePath, [runner, 'run', '--root', directory, '--reporter=json', `--outputFile=${report}`], { directory, environment })
  const { numPassedTests, numTotalTests }: { numPassedTests: number; numTotalTests: number } = JSON.parse(await readFile(report, 'utf8'))
  if (numPassedTests === 0 || numPassedTests !== numTotalTests) {
    throw new CheckFailure(`${numPassedTests} of ${numTotalTests} conformance tests of the example uploader passed with the packed core`)
  }
}

async function importEverything(directory: string, packages: readonly PackageDescription[]): Promise<void> {
  for (const description of packages) {
    for (const entry of Object.keys(description.exports)) {
      // The conformance suites are imported inside of a vitest run only: runConformance does.
      if (entry === './conformance') continue
      const specifier = description.name + entry.slice(1)
      const json = entry.endsWith('.json') ? ", { with: { type: 'json' } }" : ''
      const script = `const found = await import('${specifier}'${json}); if (Object.keys(found).length === 0) throw new Error('${specifier} exports nothing')`
      await runTool(testNodePath, ['--input-type=module', '-e', script], { directory, environment })
    }
    for (const command of Object.keys(description.bin ?? {})) {
      const output = await runTool(join(directory, 'node_modules', '.bin', command), ['--help'], { directory, environment })
      if (!output.includes(command)) throw new CheckFailure(`${command} --help does not name itself:\n${output}`)
    }
  }
}

async function compileExamples(
  directory: string,
  repository: string,
  packages: readonly PackageDescription[],
): Promise<readonly CompiledExample[]> {
  const files: string[] = []
  const compiled: CompiledExample[] = []
  const readmes = [
    { name: 'root', blocks: exampleBlocks(await readmeOf(repository)) },
    ...(await Promise.all(
      packages.map(async ({ directory: one }) => ({ name: basename(one), blocks: packageExamples(await readmeOf(one)) })),
    )),
  ]
  for (const { name, blocks } of readmes) {
    for (const [index, text] of blocks.entries()) {
      const file = `readme-${name}-${index + 1}.ts`
      await writeFile(join(directory, file), text)
      files.push(file)
      compiled.push({ readme: name, file: join(directory, 'compiled', file.replace(/ts$/, 'js')) })
    }
  }
  await linkFromRepository(directory, repository, '@types/node')
  await writeJson(join(directory, 'tsconfig.json'), {
    compilerOptions: {
      // The oldest Node that is promised has no `await using` of its own.
      target: 'es2022',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      outDir: 'compiled',
      skipLibCheck: true,
      types: ['node'],
    },
    files,
  })
  await runTool(process.execPath, [join(repository, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', directory], { directory })
  return compiled
}

function readmeOf(directory: string): Promise<string> {
  return readFile(join(directory, 'README.md'), 'utf8').catch(() => {
    throw new CheckFailure(`${directory} has no README.md`)
  })
}

async function linkFromRepository(directory: string, repository: string, name: string): Promise<void> {
  const link = join(directory, 'node_modules', name)
  if (existsSync(link)) return
  await mkdir(dirname(link), { recursive: true })
  await symlink(join(repository, 'node_modules', name), link, 'dir')
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`)
}
