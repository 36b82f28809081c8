import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckFailure } from './check-block.ts'
import { createConsumerProject } from './consumer-project.ts'
import { readmeProblems } from './readme-examples.ts'
import { runTool } from './run-tool.ts'

export interface PackageDescription {
  readonly name: string
  readonly directory: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly bin?: Readonly<Record<string, string>>
  /** Not published, and so of no user's concern. */
  readonly private?: boolean
}

/**
 * Proves the packages as their users get them: packed, checked by publint and "are the types wrong", installed together
 * from their tarballs into an empty project by npm, imported, every example of a README run there, and the example uploader held against the packed conformance suite.
 */
export async function checkPackaging(repository: string): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'backup planet packaging-'))
  try {
    const problems = await readmeProblems(repository)
    if (problems.length > 0) throw new CheckFailure(problems.join('\n'))
    const described = await describePackages(repository)
    const packages = described.filter((one) => one.private !== true)
    const unpublished = described.filter((one) => one.private === true).map(({ name }) => name)
    const tarballs: string[] = []
    for (const { directory } of packages) tarballs.push(await packAndLint(repository, directory, scratch))
    await createConsumerProject({ repository, directory: join(scratch, 'a user’s project'), packages, tarballs })
    const leftOut = unpublished.length === 0 ? '' : `; private and left out: ${unpublished.join(', ')}`
    return `${packages.length} packages packed, linted, installed, imported; every README's example run, the example uploader conforming${leftOut}`
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function describePackages(repository: string): Promise<readonly PackageDescription[]> {
  const names = (await readdir(join(repository, 'packages'))).sort()
  return Promise.all(
    names.map(async (name) => {
      const directory = join(repository, 'packages', name)
      const description: Omit<PackageDescription, 'directory'> = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
      return { ...description, directory }
    }),
  )
}

async function packAndLint(repository: string, directory: string, destination: string): Promise<string> {
  const { packageManager }: { packageManager: string } = JSON.parse(await readFile(join(repository, 'package.json'), 'utf8'))
  const before = new Set(await readdir(destination))
  // pnpm, not npm: it is the one that replaces `workspace:` and `catalog:` by real versions, as the release does.
  await runTool('npx', ['-y', '--prefer-offline', packageManager, 'pack', '--pack-destination', destination], { directory })
  const packed = (await readdir(destination)).find((name) => name.endsWith('.tgz') && !before.has(name))
  if (packed === undefined) throw new CheckFailure(`pnpm pack left no tarball of ${directory}`)
  const tarball = join(destination, packed)
  const modules = join(repository, 'node_modules')
  await runTool(process.execPath, [await binaryOf(join(modules, 'publint')), '--strict', tarball], { directory: destination })
  const attw = await binaryOf(join(modules, '@arethetypeswrong', 'cli'))
  await runTool(
    process.execPath,
    [
      attw,
      '--profile',
      'esm-only',
      '--no-emoji',
      '--exclude-entrypoints',
      './manifest.schema.json',
      './drill-evidence.schema.json',
      '--',
      tarball,
    ],
    {
      directory: destination,
    },
  )
  return tarball
}

async function binaryOf(directory: string): Promise<string> {
  const { bin }: { bin: string | Record<string, string> } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
  const path = typeof bin === 'string' ? bin : Object.values(bin)[0]
  if (path === undefined) throw new TypeError(`${directory} has no command`)
  return join(directory, path)
}
