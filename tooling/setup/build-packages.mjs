import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ownNodeEnvironment } from './own-node.mjs'
import { pnpmCommand } from './package-manager.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { runForStep, setupStep } from './setup-step.mjs'
import { filesBelow, hashFiles, packageDirectories, readStamp, writeStamp } from './source-stamp.mjs'

/** Builds `dist` of every package when a source has changed since the last time. */
export function buildPackages({ quiet }) {
  return setupStep('build', { quiet }, async () => {
    const directories = packageDirectories()
    const shared = ['tsconfig.base.json', 'turbo.json', 'tooling/tsup.base.ts', 'pnpm-lock.yaml'].map((path) => join(repositoryRoot, path))
    const wanted = hashFiles([...shared, ...directories.flatMap((directory) => filesBelow(directory))])
    const built = directories.every((directory) => existsSync(join(directory, 'dist', 'index.js')))
    if (built && readStamp('build') === wanted) return undefined
    const [program, ...before] = await pnpmCommand()
    await runForStep('build', program, [...before, 'exec', 'turbo', 'run', 'build', '--output-logs=errors-only', '--ui=stream'], {
      environment: ownNodeEnvironment({ TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1', DO_NOT_TRACK: '1' }),
      byHand: 'npx turbo run build',
    })
    writeStamp('build', wanted)
    return `${directories.length} packages`
  })
}
