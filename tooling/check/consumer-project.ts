import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { startThrowawayMariadb } from '../servers/throwaway-mariadb.ts'
import { CheckFailure } from './check-block.ts'
import type { PackageDescription } from './check-packaging.ts'
import { exampleBlocks, packageExamples, rootExample } from './readme-examples.ts'
import { runTool } from './run-tool.ts'

export interface ConsumerProject {
  readonly repository: string
  readonly directory: string
  readonly packages: readonly PackageDescription[]
  readonly tarballs: readonly string[]
}

/** An empty project of somebody else with nothing but our tarballs: throws a `CheckFailure` at what does not work there. */
export async function createConsumerProject(project: ConsumerProject): Promise<void> {
  const { directory, tarballs, packages, repository } = project
  await mkdir(directory)
  await writeJson(join(directory, 'package.json'), { name: 'a-user', private: true, type: 'module' })
  await runTool('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts', '--loglevel=error', ...tarballs], {
    directory,
  })
  await importEverything(directory, packages)
  await compileExamples(directory, repository, packages)
  await runRootExample(directory, repository)
}

async function importEverything(directory: string, packages: readonly PackageDescription[]): Promise<void> {
  for (const description of packages) {
    for (const entry of Object.keys(description.exports)) {
      // The conformance suites are imported inside of a vitest run only.
      if (entry === './conformance') continue
      const specifier = description.name + entry.slice(1)
      const json = entry.endsWith('.json') ? ", { with: { type: 'json' } }" : ''
      const script = `const found = await import('${specifier}'${json}); if (Object.keys(found).length === 0) throw new Error('${specifier} exports nothing')`
      await runTool(process.execPath, ['--input-type=module', '-e', script], { directory })
    }
    for (const command of Object.keys(description.bin ?? {})) {
      const output = await runTool(join(directory, 'node_modules', '.bin', command), ['--help'], { directory })
      if (!output.includes(command)) throw new CheckFailure(`${command} --help does not name itself:\n${output}`)
    }
  }
}

async function compileExamples(directory: string, repository: string, packages: readonly PackageDescription[]): Promise<void> {
  const files: string[] = []
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
    }
  }
  await linkNodeTypes(directory, repository)
  await writeJson(join(directory, 'tsconfig.json'), {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    },
    files,
  })
  await runTool(process.execPath, [join(repository, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', directory], { directory })
}

function readmeOf(directory: string): Promise<string> {
  return readFile(join(directory, 'README.md'), 'utf8').catch(() => {
    throw new CheckFailure(`${directory} has no README.md`)
  })
}

async function linkNodeTypes(directory: string, repository: string): Promise<void> {
  const link = join(directory, 'node_modules', '@types', 'node')
  if (existsSync(link)) return
  await mkdir(dirname(link), { recursive: true })
  await symlink(join(repository, 'node_modules', '@types', 'node'), link, 'dir')
}

async function runRootExample(directory: string, repository: string): Promise<void> {
  await using server = await startThrowawayMariadb()
  await server.client(
    'CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT); INSERT INTO shop.customer VALUES (1, "Ada")',
  )
  await copyFile(join(repository, rootExample), join(directory, basename(rootExample)))
  const environment = { MYSQL_PORT: String(server.port), MYSQL_USER: server.user, MYSQL_PASSWORD: server.rootPassword }
  const output = await runTool(process.execPath, [basename(rootExample)], { directory, environment })
  if (!output.includes('shop')) throw new CheckFailure(`the README's example does not say that it backed up shop:\n${output}`)
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`)
}
