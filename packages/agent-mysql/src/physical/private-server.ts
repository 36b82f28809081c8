import { randomBytes } from 'node:crypto'
import { chown, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, type CommandResult, commandRunner, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, quoteText } from '../mysql-connection.ts'
import { ToolDirectory } from '../programs/tool-directory.ts'
import type { DatadirState } from './datadir-state.ts'
import type { ServerProgram } from './server-program.ts'
import { toolFailure } from './tool-failures.ts'

export interface PrivateServerOptions {
  readonly program: ServerProgram
  /** A prepared copy or a new data directory, which belongs to `owner`. */
  readonly data: string
  /** Who the server runs as, where this process may choose. */
  readonly owner: DatadirState['owner']
  readonly memoryBytes: number
  /** Of the server that was backed up, and what else it is to be told. */
  readonly variables: Readonly<Record<string, string>>
}

/** The account of whoever works on it; it exists only while the server runs. */
const account = 'backup_planet_restore'
export const privateAccount = `${account}@localhost`

/** `sockaddr_un` on Linux has 108 bytes with the terminating zero. */
const longestSocketPath = 107
const keptLogBytes = 65_536
/** What it had to clean up is thrown away with its data directory. */
const graceMs = 1000

/**
 * A server that nobody else can reach, on a data directory of its own: no network, its socket in a directory of mode 0700, one account with a password that is made for it, no events, no replication, no binlog.
 * Disposing ends it at once; only `shutDown` leaves a directory that can be used.
 */
export class PrivateServer implements AsyncDisposable {
  readonly settings: MysqlConnectionSettings
  readonly #directory: ToolDirectory
  readonly #program: string
  readonly #end = new AbortController()
  readonly #ended: Promise<CommandResult>

  private constructor(settings: MysqlConnectionSettings, directory: ToolDirectory, program: string, run: Promise<CommandResult>) {
    this.settings = settings
    this.#directory = directory
    this.#program = program
    this.#ended = run
  }

  /** Resolves when it takes connections. Throws what the server says when it does not start. */
  static async start(options: PrivateServerOptions, { signal }: Pick<OperationOptions, 'signal'>): Promise<PrivateServer> {
    throwIfAborted(signal, 'starting a private server')
    const directory = await ToolDirectory.create()
    try {
      const socketPath = join(directory.path, 's')
      if (Buffer.byteLength(socketPath) > longestSocketPath) {
        throw new BackupError(`the path of the socket is too long: ${socketPath}`, {
          code: 'UNSUPPORTED',
          hint: 'Set TMPDIR to a shorter path.',
        })
      }
      const password = randomBytes(24).toString('base64url')
      const initFile = join(directory.path, 'init.sql')
      await writeFile(initFile, accountStatements(password), { mode: 0o600, flag: 'wx' })
      const folders = [directory.path, initFile, await directory.folder('tmp'), await directory.folder('files')]
      if (options.owner !== undefined) for (const path of folders) await chown(path, options.owner.uid, options.owner.gid)
      const settings = { host: 'localhost', port: 3306, socketPath, user: account, password, ssl: undefined, connectTimeoutSeconds: 60 }
      const { promise: ready, resolve: sayReady } = Promise.withResolvers<'ready'>()
      const end = new AbortController()
      let said = ''
      const run = commandRunner.run(
        {
          command: options.program.command,
          arguments: serverArguments(options, directory.path, await settingsOfCopy(options.data)),
          environment: { LC_ALL: 'C', TZ: 'UTC' },
          secrets: [password],
          outputLimitBytes: keptLogBytes,
          graceMs,
          onStderr: (chunk) => {
            said = (said + Buffer.from(chunk).toString('latin1')).slice(-1000)
            if (/ready for connections/.test(said)) sayReady('ready')
          },
        },
        { signal: AbortSignal.any([end.signal, ...(signal === undefined ? [] : [signal])]) },
      )
      const server = new PrivateServer(settings, directory, options.program.command, run)
      server.#end.signal.addEventListener('abort', () => end.abort(server.#end.signal.reason), { once: true })
      const first = await Promise.race([ready, run])
      if (first !== 'ready') throw toolFailure(options.program.command, 'starting a private server', first)
      await rm(initFile)
      return server
    } catch (error) {
      await directory[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Takes its account away and ends it in order. Throws where it does not end so. */
  async shutDown({ signal }: Pick<OperationOptions, 'signal'> = {}): Promise<void> {
    {
      await using session = await connect(this.settings, { signal })
      await session.run(`DROP USER ${quoteText(account)}@'localhost'`, 'removing the account of the private server')
      await session.run('SHUTDOWN', 'shutting the private server down')
    }
    const result = await this.#ended
    if (result.exitCode !== 0) throw toolFailure(this.#program, 'shutting the private server down', result)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new BackupError('the private server is no longer needed', { code: 'ABORTED' }))
    await this.#ended.catch(() => undefined)
    await this.#directory[Symbol.asyncDispose]()
  }
}

/** Executed before the first connection is accepted; one statement a line. The right to name proxies, as accounts of backups have it, is in no other and nobody has it here to grant. */
function accountStatements(password: string): string {
  const name = `${quoteText(account)}@'localhost'`
  return `DROP USER IF EXISTS ${name};
CREATE USER ${name} IDENTIFIED BY ${quoteText(password)};
GRANT ALL PRIVILEGES ON *.* TO ${name} WITH GRANT OPTION;
INSERT INTO mysql.proxies_priv (Host, User, Proxied_host, Proxied_user, With_grant, Grantor) VALUES ('localhost', ${quoteText(account)}, '', '', 1, '');
FLUSH PRIVILEGES;
`
}

function serverArguments(
  { program, data, owner, memoryBytes, variables }: PrivateServerOptions,
  directory: string,
  copied: readonly string[],
): readonly string[] {
  const isRoot = process.getuid?.() === 0
  const own = program.flavour === 'mariadb' ? [] : ['--mysqlx=OFF']
  return [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${join(directory, 's')}`,
    `--pid-file=${join(directory, 'pid')}`,
    `--tmpdir=${join(directory, 'tmp')}`,
    // Statements of the logs read and write no other files.
    `--secure-file-priv=${join(directory, 'files')}`,
    '--skip-networking',
    '--skip-symbolic-links',
    '--skip-log-bin',
    '--skip-slave-start',
    '--event-scheduler=OFF',
    `--init-file=${join(directory, 'init.sql')}`,
    ...(isRoot ? [`--user=${owner?.name ?? 'root'}`] : []),
    `--innodb-buffer-pool-size=${memoryBytes}`,
    // What is cut is begun anew: the one flush that counts is at the end.
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-buffer-pool-dump-at-shutdown=0',
    '--innodb-buffer-pool-load-at-startup=0',
    '--max-allowed-packet=1073741824',
    ...own,
    ...Object.entries(variables).map(([name, value]) => `--${name.replaceAll('_', '-')}=${value}`),
    ...copied,
  ]
}

/** Without these a server does not open the files of the copy. */
const layoutSettings = /^(innodb_(?:page_size|data_file_path|undo_tablespaces|checksum_algorithm))\s*=\s*([\w:;.+-]+)$/

/** What the backup tool has written down of the layout of the copy. */
async function settingsOfCopy(data: string): Promise<readonly string[]> {
  const text = await readFile(join(data, 'backup-my.cnf'), 'latin1').catch(() => '')
  return text.split('\n').flatMap((line) => {
    const [, name, value] = layoutSettings.exec(line.trim()) ?? []
    return name === undefined ? [] : [`--${name.replaceAll('_', '-')}=${value}`]
  })
}
