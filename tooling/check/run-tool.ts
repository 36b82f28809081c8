import { spawn } from 'node:child_process'
import { basename } from 'node:path'
import { CheckFailure } from './check-block.ts'

export interface RunToolOptions {
  readonly directory: string
  readonly environment?: Readonly<Record<string, string>>
}

/** Runs a tool without a shell and resolves with what it printed; throws a `CheckFailure` with all of it when it does not succeed. */
export function runTool(program: string, toolArguments: readonly string[], options: RunToolOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, toolArguments, {
      cwd: options.directory,
      env: { ...process.env, NO_COLOR: '1', ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      const output = Buffer.concat(chunks).toString()
      if (code === 0) resolve(output)
      else reject(new CheckFailure(`${basename(program)} ${toolArguments.join(' ')}\nended with ${code ?? signal}:\n\n${output}`))
    })
  })
}
