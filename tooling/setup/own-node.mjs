import { delimiter, dirname, join } from 'node:path'
import { runQuietly } from './command.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { SetupFailure, setupStep } from './setup-step.mjs'

export const ownNodePath = join(repositoryRoot, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** The Node that tests and the packed packages are tried on: each Node we promise in its turn, where `BACKUP_PLANET_NODE` names one. */
export const testNodePath = process.env.BACKUP_PLANET_NODE || ownNodePath

/** Makes sure that the Node this repository brings runs here: everything after the setup runs on it. */
export function ownNode({ quiet }) {
  return setupStep('own Node', { quiet }, async () => {
    const answered = await runQuietly(ownNodePath, ['--version'])
    const version = answered.output.trim()
    const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number)
    if (answered.code === 0 && (major > 22 || (major === 22 && minor >= 15))) return quiet ? undefined : version
    throw new SetupFailure(
      `Setting up stopped at the step "own Node": ${ownNodePath} does not run here or is older than 22.15.\n\n  It said: ${version}\n\n` +
        '  By hand: remove the folders node_modules and .cache/setup, then run the command again; behind a proxy, npm must be able to fetch the package "node".',
    )
  })
}

/** The environment in which our own Node and the tools of this repository come first. */
export function ownNodeEnvironment(additions = {}) {
  return nodeEnvironment(ownNodePath, additions)
}

/** The environment in which `node` is this one, and the tools of this repository come next. */
export function nodeEnvironment(nodePath, additions = {}) {
  const path = [dirname(nodePath), join(repositoryRoot, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter)
  return { ...process.env, ...additions, PATH: path }
}
