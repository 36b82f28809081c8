import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runQuietly } from './command.mjs'
import { repositoryRoot } from './repository-root.mjs'

/** `pnpm@<version>`, the one place that says it being the root package.json. */
export const packageManager = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')).packageManager

/**
 * How to call the pnpm of this repository: the installed one where it is the same version, else npm's own `npx` with
 * that exact version, from its cache where it has been used before.
 */
export async function pnpmCommand() {
  const installed = await runQuietly('pnpm', ['--version'], { environment: { ...process.env, COREPACK_ENABLE_DOWNLOAD_PROMPT: '0' } })
  if (installed.code === 0 && `pnpm@${installed.output.trim()}` === packageManager) return ['pnpm']
  return [...npxCommand(), '-y', '--prefer-offline', packageManager]
}

/** On Windows npx is a batch file, which Node runs through a shell only; what the batch file runs needs none. */
function npxCommand() {
  if (process.platform !== 'win32') return ['npx']
  const npm = process.env.npm_execpath ?? join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
  return [process.execPath, join(dirname(npm), 'npx-cli.js')]
}
