import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

export interface ProgramCall {
  readonly program: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Programs in a row, the output of each being the input of the next; the ends may be files. */
export interface Pipeline {
  readonly calls: readonly ProgramCall[]
  readonly inputFile?: string
  readonly outputFile?: string
}

export interface Measurement {
  readonly seconds: number
  /** Highest resident memory of all programs of the pipeline together, as Linux counts it (VmHWM of proc_pid_status(5)). */
  readonly peakBytes: number
}

/** Runs a pipeline to its end and measures it. Throws an Error with what it said when a program fails. */
export async function measure({ calls, inputFile, outputFile }: Pipeline): Promise<Measurement> {
  const input = inputFile === undefined ? undefined : openSync(inputFile, 'r')
  const output = outputFile === undefined ? undefined : openSync(outputFile, 'w')
  const begun = performance.now()
  const children: ChildProcess[] = []
  const peaks = new Map<ChildProcess, number>()
  const sampling = setInterval(() => void sample(children, peaks), 25)
  try {
    const ends: Promise<void>[] = []
    for (const [index, call] of calls.entries()) {
      const previous = children.at(-1)?.stdout ?? undefined
      const isLast = index === calls.length - 1
      const child = spawn(call.program, call.arguments, {
        env: { ...process.env, ...call.environment },
        stdio: [index === 0 ? (input ?? 'ignore') : 'pipe', isLast ? (output ?? 'ignore') : 'pipe', 'pipe'],
      })
      if (previous !== undefined && child.stdin !== null) previous.pipe(child.stdin)
      children.push(child)
      ends.push(endOf(child, call.program))
    }
    await Promise.all(ends)
    return { seconds: (performance.now() - begun) / 1000, peakBytes: [...peaks.values()].reduce((sum, peak) => sum + peak, 0) }
  } finally {
    clearInterval(sampling)
    for (const child of children) child.kill()
    if (input !== undefined) closeSync(input)
    if (output !== undefined) closeSync(output)
  }
}

function endOf(child: ChildProcess, program: string): Promise<void> {
  const said: Buffer[] = []
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ended with ${code ?? signal}: ${Buffer.concat(said).toString().slice(-2000)}`))
    })
  })
}

async function sample(children: readonly ChildProcess[], peaks: Map<ChildProcess, number>): Promise<void> {
  for (const child of children) {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
    if (kibibytes !== undefined) peaks.set(child, Math.max(peaks.get(child) ?? 0, Number(kibibytes) * 1024))
  }
}
