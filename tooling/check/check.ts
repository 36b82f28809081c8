import { join } from 'node:path'
import { runBlock } from './check-block.ts'
import { checkLayering } from './check-layering.ts'
import { checkPackaging } from './check-packaging.ts'
import { runTool } from './run-tool.ts'

/**
 * `npm run check`: everything that can be said of the repository without running its tests. Every block is run, so that one run
 * tells all; the exit code is 1 when any failed. `npm run check -- style types` runs only the blocks named.
 */
const repository = join(import.meta.dirname, '..', '..')
const modules = join(repository, 'node_modules')

const blocks: Readonly<Record<string, () => Promise<string>>> = {
  style: async () => {
    const binary = join(modules, '@biomejs', 'biome', 'bin', 'biome')
    return lastLine(await runTool(process.execPath, [binary, 'ci', '--colors=off', '.'], { directory: repository }))
  },
  types: async () => {
    const compiler = join(modules, 'typescript', 'bin', 'tsc')
    await runTool(process.execPath, [compiler, '--noEmit', '--pretty', 'false', '-p', '.'], { directory: repository })
    return 'the whole repository'
  },
  layering: () => checkLayering(repository),
  packaging: () => checkPackaging(repository),
}

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !Object.hasOwn(blocks, name))
if (unknown.length > 0) {
  process.stderr.write(`there is no check named ${unknown.join(', ')}; there are ${Object.keys(blocks).join(', ')}\n`)
  process.exitCode = 2
} else {
  for (const [name, block] of Object.entries(blocks)) {
    if (asked.length > 0 && !asked.includes(name)) continue
    if (!(await runBlock(name, block))) process.exitCode = 1
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(0)?.trim() ?? ''
}
