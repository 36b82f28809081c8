import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The restic of this machine, which is not ours; `undefined` where there is none, and tests with it are skipped. */
export const resticProgram: string | undefined = programOf('restic')

/** Absolute path of a program of this machine; `undefined` where there is none. */
export function programOf(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

export interface ResticResult {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface ResticRunOptions {
  /** Where restic stands; where this process stands when left out. */
  readonly directory?: string
  /** Ends restic with SIGINT, as a person does; it removes its locks. */
  readonly signal?: AbortSignal
  /** In place of the one that the client was made with. */
  readonly passwordFile?: string
}

/** One repository in a directory, as restic's own command sees it. */
export interface ResticClient {
  /** Absolute path of the repository. */
  readonly repository: string
  readonly passwordFile: string
  /** Runs restic, whatever comes of it. */
  attempt(resticArguments: readonly string[], options?: ResticRunOptions): Promise<ResticResult>
  /** The text that restic prints. Rejects with restic's own words unless it ends with 0. */
  run(resticArguments: readonly string[], options?: ResticRunOptions): Promise<string>
  /** As `run`, byte for byte. */
  bytes(resticArguments: readonly string[], options?: ResticRunOptions): Promise<Buffer>
  /** As `run` with `--json`: a document, or a list where restic prints one document a line. */
  json(resticArguments: readonly string[], options?: ResticRunOptions): Promise<unknown>
  /** A restic that runs on, for tests that kill it or work beside it; its output is thrown away. */
  start(resticArguments: readonly string[], options?: ResticRunOptions): ChildProcess
}

/**
 * A client for the repository in `repository`, which need not be there yet. The password goes into a file beside it, of mode 0600,
 * and neither into an argument nor into the environment. Nothing is cached, so that restic reads what lies in the repository.
 */
export async function createResticClient(repository: string, password: string): Promise<ResticClient> {
  const passwordFile = await writePasswordFile(`${repository}.password`, password)

  const start = (resticArguments: readonly string[], options: ResticRunOptions, output: 'pipe' | 'ignore') => {
    if (resticProgram === undefined) throw new Error('there is no restic on the PATH: skip tests that need it by resticProgram')
    return spawn(resticProgram, ['--no-cache', ...resticArguments], {
      cwd: options.directory,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        TMPDIR: process.env.TMPDIR,
        LC_ALL: 'C.UTF-8',
        RESTIC_REPOSITORY: repository,
        RESTIC_PASSWORD_FILE: options.passwordFile ?? passwordFile,
      },
      stdio: ['ignore', output, output],
      ...(options.signal === undefined ? {} : { signal: options.signal, killSignal: 'SIGINT' }),
    })
  }
  const attempt = (resticArguments: readonly string[], options: ResticRunOptions = {}): Promise<ResticResult> =>
    new Promise((resolve, reject) => {
      const child = start(resticArguments, options, 'pipe')
      const stdout: Buffer[] = []
      const stderr: Buffer[] = []
      child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
      child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
      child.on('error', (error) => {
        if (error.name !== 'AbortError') reject(error)
      })
      child.on('close', (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') }))
    })
  const bytes = async (resticArguments: readonly string[], options?: ResticRunOptions): Promise<Buffer> => {
    const { code, stdout, stderr } = await attempt(resticArguments, options)
    if (code === 0) return stdout
    throw new Error(`restic ${resticArguments.join(' ')} ended with ${code}:\n${stdout.toString('utf8').slice(-4000)}\n${stderr}`)
  }
  const run = async (resticArguments: readonly string[], options?: ResticRunOptions): Promise<string> =>
    (await bytes(resticArguments, options)).toString('utf8')

  return {
    repository,
    passwordFile,
    attempt,
    bytes,
    run,
    json: async (resticArguments, options) => parseJson(await run(['--json', ...resticArguments], options)),
    start: (resticArguments, options = {}) => start(resticArguments, options, 'ignore'),
  }
}

export async function writePasswordFile(path: string, password: string): Promise<string> {
  await writeFile(path, `${password}\n`, { mode: 0o600 })
  return path
}

function parseJson(text: string): unknown {
  const lines = text.split('\n').filter((line) => line !== '')
  return lines.length === 1 ? JSON.parse(lines[0] ?? '') : lines.map((line) => JSON.parse(line) as unknown)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
