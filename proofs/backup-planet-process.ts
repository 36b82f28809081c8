import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url))

export interface CommandOutcome {
  /** `null` when a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
  /** From start to end, in milliseconds. */
  readonly milliseconds: number
}

export interface RunningCommand {
  readonly process: ChildProcess
  readonly outcome: Promise<CommandOutcome>
  /** Resolves as soon as standard output and error together match. Rejects when the command ends first. */
  seen(pattern: RegExp): Promise<void>
}

/** The real command in a process of its own, from the sources, so that it can be killed. */
export function startBackupPlanet(words: readonly string[], environment: Readonly<Record<string, string>> = {}): RunningCommand {
  const began = performance.now()
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', main, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...environment },
  })
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const watcher of watchers) watcher()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    for (const watcher of watchers) watcher()
  })
  const outcome = new Promise<CommandOutcome>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr, milliseconds: performance.now() - began }))
  })
  return {
    process: child,
    outcome,
    seen(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          if (!pattern.test(stdout + stderr)) return
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
        outcome.then(() => reject(new Error(`the command ended without ${pattern}:\n${stdout}\n${stderr}`)), reject)
      })
    },
  }
}

export function backupPlanet(words: readonly string[], environment?: Readonly<Record<string, string>>): Promise<CommandOutcome> {
  return startBackupPlanet(words, environment).outcome
}
