import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'

const main = join(import.meta.dirname, '..', 'src', 'main.ts')

export interface ChildResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface ChildCommand {
  readonly pid: number | undefined
  /** So far. */
  readonly written: { readonly stdout: string; readonly stderr: string }
  /** Resolves once standard output or error holds this text; rejects when the process ends without it. */
  said(text: string): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Nobody reads what it says any more, as when `head` has ended or the terminal is gone. */
  stopReading(...streams: readonly ('stdout' | 'stderr')[]): void
  readonly ended: Promise<ChildResult>
}

/** The command as a process of its own, the way a shell starts it. */
export function startCommand(argv: readonly string[], environment: Readonly<Record<string, string>>, directory: string): ChildCommand {
  const child = spawn(process.execPath, nodeArguments(argv), {
    cwd: directory,
    env: environmentOf(environment, directory),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written.stdout += text
    for (const listener of listeners) listener()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written.stderr += text
    for (const listener of listeners) listener()
  })
  const ended = new Promise<ChildResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...written }))
  })
  return {
    pid: child.pid,
    written,
    ended,
    signal: (signal) => void child.kill(signal),
    stopReading: (...streams) => {
      for (const stream of streams) child[stream].destroy()
    },
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (written.stderr.includes(text) || written.stdout.includes(text)) resolve()
        }
        listeners.add(look)
        look()
        void ended.then(({ code, stderr }) =>
          reject(new Error(`the command ended with ${code} and never said ${JSON.stringify(text)}:\n${stderr}`)),
        )
      }),
  }
}

export function command(argv: readonly string[], environment: Readonly<Record<string, string>>, directory: string): Promise<ChildResult> {
  return startCommand(argv, environment, directory).ended
}

/** The same with standard output going into a file that is open; `stdout` is empty. */
export async function commandInto(file: number, argv: readonly string[], directory: string): Promise<ChildResult> {
  const child = spawn(process.execPath, nodeArguments(argv), {
    cwd: directory,
    env: environmentOf({}, directory),
    stdio: ['ignore', file, 'pipe'],
  })
  if (child.stderr === null) throw new TypeError('standard error is not a pipe')
  const [stderr, [code]] = await Promise.all([textOf(child.stderr), once(child, 'close') as Promise<[number | null]>])
  return { code, stdout: '', stderr }
}

function nodeArguments(argv: readonly string[]): readonly string[] {
  return ['--conditions=@backup-planet/source', main, ...argv]
}

function environmentOf(environment: Readonly<Record<string, string>>, directory: string): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  return { PATH, NODE_COMPILE_CACHE, HOME: directory, XDG_STATE_HOME: directory, ...environment }
}
