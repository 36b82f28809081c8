import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { greetingOf } from './greeting.ts'
import { copyMariadbTemplate, findMariadb } from './mariadb-template.ts'
import { type ProcessInput, processOutput } from './process-output.ts'
import { Watchdog } from './watchdog.ts'

export interface ThrowawayMariadbOptions {
  /** Passed to `mariadbd` after our own, so that they win: `--innodb-buffer-pool-size=256M`. */
  readonly serverOptions?: readonly string[]
  /** Where the server keeps its data; kept by `stop()`, and started again with what is in it. A private temporary one that `stop()` removes when left out. */
  readonly directory?: string
  /** A free one when left out. */
  readonly port?: number
}

/** A MariaDB server of one test suite. It dies with the process that started it, whatever way that process ends. */
export interface ThrowawayMariadb extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly socketPath: string
  readonly user: 'root'
  readonly rootPassword: string
  readonly directory: string
  /** Of the running server; another one after `restart()`. */
  readonly pid: number
  /** The end of the server's error log, for a test that failed. */
  log(): Promise<string>
  /** Runs SQL, or the `mariadb` client with these arguments, and resolves with what it prints: tab-separated rows without headings. */
  client(sqlOrArguments: string | readonly string[], options?: ProcessInput): Promise<string>
  /** Runs `mariadb-dump` with these arguments. Bytes, because a dump need not be UTF-8. */
  dump(dumpArguments: readonly string[], options?: ProcessInput): Promise<Buffer>
  /** Ends the server in order and removes its data. */
  stop(): Promise<void>
  /** SIGKILL, as a crash would; the data stay for `restart()`. */
  kill(): Promise<void>
  /** Starts the server anew on the same data and port, after an orderly shutdown when it still runs. */
  restart(options?: { readonly serverOptions?: readonly string[] }): Promise<void>
}

/**
 * Starts a MariaDB server on 127.0.0.1 with a data directory and a root password of its own, with row-based binary log and
 * `local_infile` on. Throws an Error that names the Debian package when there is no `mariadbd`.
 */
export async function startThrowawayMariadb(options: ThrowawayMariadbOptions = {}): Promise<ThrowawayMariadb> {
  const server = new Server(await findMariadb(), options)
  await server.create()
  return server
}

const readyWithinMilliseconds = 60_000
const stopWithinMilliseconds = 30_000
/** `sockaddr_un` on Linux has 108 bytes with the terminating zero. */
const longestSocketPath = 107

class Server implements ThrowawayMariadb {
  readonly host = '127.0.0.1'
  readonly user = 'root'
  readonly rootPassword = randomBytes(15).toString('base64url')
  readonly #program: { readonly path: string; readonly version: string }
  readonly #options: ThrowawayMariadbOptions
  #serverOptions: readonly string[]
  #directory = ''
  #socketFolder = ''
  #port = 0
  #process: { readonly child: ChildProcess; readonly pid: number; readonly exit: Promise<void> } | undefined
  #watchdog: Watchdog | undefined

  constructor(program: { readonly path: string; readonly version: string }, options: ThrowawayMariadbOptions) {
    this.#program = program
    this.#options = options
    this.#serverOptions = options.serverOptions ?? []
  }

  get port(): number {
    return this.#port
  }

  get directory(): string {
    return this.#directory
  }

  get socketPath(): string {
    return join(this.#socketFolder, 's.sock')
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the throwaway MariaDB does not run')
    return this.#process.pid
  }

  async create(): Promise<void> {
    this.#directory = this.#options.directory ?? (await mkdtemp(join(tmpdir(), 'bp-mdb-')))
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const fits = Buffer.byteLength(join(this.#directory, 's.sock')) <= longestSocketPath
    this.#socketFolder = fits ? this.#directory : await mkdtemp(join(tmpdir(), 'bp-mdb-'))
    this.#watchdog = new Watchdog('throwaway-mariadb-watchdog', [
      this.#options.directory === undefined ? this.#directory : '',
      fits ? '' : this.#socketFolder,
    ])
    try {
      if ((await readdir(this.#directory)).length === 0) {
        await mkdir(join(this.#directory, 'tmp'), { mode: 0o700 })
        await copyMariadbTemplate(this.#program, join(this.#directory, 'data'))
      }
      await this.#startOnSomePort()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #startOnSomePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = this.#options.port ?? (await freePort())
      try {
        return await this.#start(true)
      } catch (error) {
        const taken = this.#options.port === undefined && (await this.log()).includes('Address already in use')
        if (!taken || attempt === 5) throw error
        await rm(join(this.#directory, 'error.log'), { force: true })
      }
    }
  }

  async #start(setPassword: boolean): Promise<void> {
    const initFile = join(this.#directory, 'init.sql')
    if (setPassword) await writeFile(initFile, accountStatements(this.rootPassword), { mode: 0o600 })
    const log = openSync(join(this.#directory, 'error.log'), 'a', 0o600)
    const child = spawn(
      this.#program.path,
      [
        ...ownOptions(this.#directory, this.socketPath, this.#port),
        ...(setPassword ? [`--init-file=${initFile}`] : []),
        ...this.#serverOptions,
      ],
      { stdio: ['ignore', log, log], detached: true },
    )
    closeSync(log)
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', () => resolve(child.pid ?? 0))
    })
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.unref()
    this.#process = { child, pid, exit }
    this.#watch(pid)
    try {
      await this.#ready(child)
    } catch (error) {
      await this.kill()
      throw error
    } finally {
      await rm(initFile, { force: true })
    }
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMilliseconds
    let last: unknown
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`mariadbd ended with ${child.exitCode ?? child.signalCode} while it started:\n${await this.log()}`)
      }
      try {
        if ((await greetingOf(this.#port)) !== undefined) {
          await this.client('SELECT 1')
          return
        }
      } catch (error) {
        last = error
      }
      await delay(20)
    }
    throw new Error(`mariadbd was not ready within ${readyWithinMilliseconds} ms:\n${await this.log()}`, { cause: last })
  }

  async log(): Promise<string> {
    const text = await readFile(join(this.#directory, 'error.log'), 'utf8').catch(() => '')
    return text.slice(-4000)
  }

  async client(sqlOrArguments: string | readonly string[], options: ProcessInput = {}): Promise<string> {
    const own =
      typeof sqlOrArguments === 'string'
        ? ['--default-character-set=utf8mb4', '--batch', '--skip-column-names', '-e', sqlOrArguments]
        : sqlOrArguments
    return (await this.#run('mariadb', own, options)).toString('utf8')
  }

  dump(dumpArguments: readonly string[], options: ProcessInput = {}): Promise<Buffer> {
    return this.#run('mariadb-dump', dumpArguments, options)
  }

  #run(program: string, programArguments: readonly string[], options: ProcessInput): Promise<Buffer> {
    const connection = ['--no-defaults', '--protocol=tcp', `--host=${this.host}`, `--port=${this.#port}`, `--user=${this.user}`]
    const environment = { ...options.environment, MYSQL_PWD: this.rootPassword }
    return processOutput(program, [...connection, ...programArguments], { ...options, environment })
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    await this.#watchdog?.end()
    this.#watchdog = undefined
    if (this.#options.directory === undefined) await rm(this.#directory, { recursive: true, force: true })
    if (this.#socketFolder !== this.#directory) await rm(this.#socketFolder, { recursive: true, force: true })
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  async restart(options: { readonly serverOptions?: readonly string[] } = {}): Promise<void> {
    await this.#end('SIGTERM')
    if (options.serverOptions !== undefined) this.#serverOptions = options.serverOptions
    await this.#start(false)
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    const { child, exit } = running
    if (child.exitCode === null && child.signalCode === null) {
      child.ref()
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMilliseconds)
      await exit
      clearTimeout(timer)
    }
    this.#process = undefined
    this.#watch(undefined)
  }

  #watch(pid: number | undefined): void {
    this.#watchdog?.watch([pid])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function ownOptions(directory: string, socketPath: string, port: number): string[] {
  return [
    '--no-defaults',
    `--datadir=${join(directory, 'data')}`,
    `--tmpdir=${join(directory, 'tmp')}`,
    `--socket=${socketPath}`,
    `--pid-file=${join(directory, 'mariadbd.pid')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--skip-name-resolve',
    '--server-id=1',
    `--log-bin=${join(directory, 'data', 'binlog')}`,
    '--binlog-format=ROW',
    '--local-infile=1',
    '--max-allowed-packet=64M',
    '--innodb-buffer-pool-size=64M',
    '--innodb-log-file-size=48M',
    '--innodb-flush-log-at-trx-commit=2',
    '--innodb-buffer-pool-dump-at-shutdown=0',
    '--innodb-buffer-pool-load-at-startup=0',
    '--key-buffer-size=2M',
    '--aria-pagecache-buffer-size=8M',
    '--performance-schema=OFF',
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
  ]
}

/** An init file is executed before the first connection is accepted, so the server is never open without a password. */
function accountStatements(password: string): string {
  return [
    "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');",
    'FLUSH PRIVILEGES;',
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${password}';`,
    `CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    "GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;",
    "GRANT PROXY ON ''@'%' TO 'root'@'127.0.0.1' WITH GRANT OPTION;",
    '',
  ].join('\n')
}
