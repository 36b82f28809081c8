import { spawn } from 'node:child_process'
import { join } from 'node:path'

const command = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts')

/** Runs the `backup-planet` command as a user would, on this terminal. Throws a `CommandFailure` when it does not succeed. */
export async function backupPlanet(...commandArguments: readonly string[]): Promise<void> {
  process.stdout.write(`\n$ backup-planet ${commandArguments.join(' ')}\n`)
  const flags = ['--conditions=@backup-planet/source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, command, ...commandArguments], { stdio: 'inherit' })
  const code = await new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exitCode, signal) => resolve(exitCode ?? signal))
  })
  if (code !== 0)
    throw new CommandFailure(`backup-planet ${commandArguments[0]} ended with ${code}; what it says above is what went wrong.`)
}

/** The command said what went wrong; there is nothing to add but that it did. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
}
