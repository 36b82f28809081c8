import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ownNodePath } from './own-node.mjs'
import { packageManager, pnpmCommand } from './package-manager.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { runForStep, setupStep } from './setup-step.mjs'
import { hashFiles, packageDirectories, readStamp, writeStamp } from './source-stamp.mjs'

/** Installs exactly what the lockfile says, when it or any package.json has changed since the last time. */
export function installPackages({ quiet }) {
  return setupStep('packages', { quiet }, async () => {
    const manifests = [
      repositoryRoot,
      join(repositoryRoot, 'tooling'),
      join(repositoryRoot, 'proofs'),
      join(repositoryRoot, 'benchmarks'),
      join(repositoryRoot, 'examples'),
      join(repositoryRoot, 'examples', 'write-your-own-uploader'),
      ...packageDirectories(),
    ].map((directory) => join(directory, 'package.json'))
    const wanted = hashFiles([join(repositoryRoot, 'pnpm-lock.yaml'), join(repositoryRoot, 'pnpm-workspace.yaml'), ...manifests])
    const installed = existsSync(join(repositoryRoot, 'node_modules', '.modules.yaml')) && existsSync(ownNodePath)
    if (installed && readStamp('packages') === wanted) return undefined
    const [program, ...before] = await pnpmCommand()
    await runForStep('packages', program, [...before, 'install', '--frozen-lockfile', '--reporter=append-only'], {
      // Without a terminal pnpm asks nothing; CI makes it say so little that a failure can be read.
      environment: { ...process.env, CI: '1' },
      byHand: `npx -y ${packageManager} install --frozen-lockfile`,
    })
    writeStamp('packages', wanted)
    return 'installed what pnpm-lock.yaml says'
  })
}
