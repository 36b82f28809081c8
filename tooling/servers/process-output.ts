import { type ChildProcess, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

export interface ProcessInput {
  /** Written to the standard input of the process. */
  readonly input?: string | Uint8Array
  /** Path of a file that becomes the standard input. */
  readonly inputFile?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Runs a program without a shell and resolves with its standard output; throws with its standard error on any other exit code than 0. */
export async function processOutput(program: string, programArguments: readonly string[], options: ProcessInput = {}): Promise<Buffer> {
  const child = spawn(program, programArguments, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
    ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGKILL' }),
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => output.push(part))
  child.stderr.on('data', (part: Buffer) => errors.push(part))
  const ended = exitOf(child)
  child.stdin.on('error', () => undefined)
  const fed =
    options.inputFile === undefined
      ? Promise.resolve(child.stdin.end(options.input ?? ''))
      : pipeline(createReadStream(options.inputFile), child.stdin).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
        })
  const [code] = await Promise.all([ended, fed])
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${Buffer.concat(errors).toString('utf8').trim()}`)
  return Buffer.concat(output)
}

/** Resolves after the output of the process has been read to its end. */
function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
}
