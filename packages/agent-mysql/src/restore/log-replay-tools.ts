import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackupError, type CommandRunner, type OperationOptions } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'

/** The two programs of a server that print a binlog as statements and execute them. */
export interface ReplayTools {
  readonly flavour: 'mariadb' | 'mysql'
  readonly binlog: string
  readonly client: string
  /** As the first one says it. */
  readonly version: string
}

const names = {
  mariadb: { binlog: ['mariadb-binlog', 'mysqlbinlog'], client: ['mariadb', 'mysql'] },
  mysql: { binlog: ['mysqlbinlog'], client: ['mysql'] },
} as const

/**
 * Looks for the tools that read logs of this flavour. `undefined` when they are not there, or under their names lies what belongs to the other one: MariaDB
 * installs its own as `mysqlbinlog` too, and each misreads the other's events.
 */
export async function findReplayTools(
  flavour: ReplayTools['flavour'],
  runner: CommandRunner,
  options: OperationOptions = {},
): Promise<ReplayTools | undefined> {
  const binlog = await firstOf(names[flavour].binlog, flavour, runner, options)
  const client = binlog === undefined ? undefined : await firstOf(names[flavour].client, flavour, runner, options)
  if (binlog === undefined || client === undefined) return undefined
  return { flavour, binlog: binlog.command, client: client.command, version: binlog.version }
}

async function firstOf(commands: readonly string[], flavour: ReplayTools['flavour'], runner: CommandRunner, options: OperationOptions) {
  for (const command of commands) {
    const said = await versionOf(command, runner, options)
    if (said !== undefined && /mariadb/i.test(said) === (flavour === 'mariadb')) return { command, version: said.trim().slice(0, 200) }
  }
  return undefined
}

async function versionOf(command: string, runner: CommandRunner, { signal }: OperationOptions): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await runner.run({ command, arguments: ['--no-defaults', '--version'], timeoutMs: 10_000 }, { signal })
    return exitCode === 0 ? stdout : undefined
  } catch (error) {
    if (BackupError.is(error) && (error.code === 'NOT_FOUND' || error.code === 'ACCESS_DENIED' || error.code === 'TIMED_OUT'))
      return undefined
    throw error
  }
}

/** How the client logs in, in a file that only this user can read. */
export interface ClientOptionFile extends AsyncDisposable {
  /** Of what the file says, to be masked wherever the client repeats it. */
  readonly secrets: readonly string[]
  /** First argument of the client. */
  readonly argument: string
}

/** Writes the same way to the server that the agent itself takes. Throws `UNSUPPORTED` for what an option file cannot say. */
export async function writeClientOptions(settings: MysqlConnectionSettings, flavour: ReplayTools['flavour']): Promise<ClientOptionFile> {
  const directory = await mkdtemp(join(tmpdir(), 'backup-planet-client-'))
  const remove = () => rm(directory, { recursive: true, force: true })
  try {
    await chmod(directory, 0o700)
    const write = async (name: string, text: string): Promise<string> => {
      const path = join(directory, name)
      await writeFile(path, text, { mode: 0o600, flag: 'wx' })
      return path
    }
    const lines = ['[client]', ...(await optionLines(settings, flavour, write))]
    const path = await write('client.cnf', `${lines.join('\n')}\n`)
    const ssl = settings.ssl === false ? undefined : settings.ssl
    const secrets = [settings.password, ssl?.passphrase].filter((secret) => secret !== undefined)
    return { secrets, argument: `--defaults-file=${path}`, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function optionLines(
  settings: MysqlConnectionSettings,
  flavour: ReplayTools['flavour'],
  write: (name: string, text: string) => Promise<string>,
): Promise<string[]> {
  const { socketPath, host, port, user, password, connectTimeoutSeconds } = settings
  const ssl = settings.ssl === false ? undefined : settings.ssl
  const place = socketPath === undefined ? { protocol: 'tcp', host, port: String(port) } : { protocol: 'socket', socket: socketPath }
  if (ssl?.passphrase !== undefined) {
    throw new BackupError('the key of the client certificate has a passphrase, which the client of the server would ask for', {
      code: 'UNSUPPORTED',
      hint: 'Execute with the option replay set to statements, which needs no tools.',
    })
  }
  const values: Record<string, string> = { ...place, user, 'connect-timeout': String(Math.ceil(connectTimeoutSeconds)) }
  if (password !== undefined) values.password = password
  if (ssl === undefined) values[flavour === 'mariadb' ? 'skip-ssl' : 'ssl-mode'] = flavour === 'mariadb' ? '' : 'DISABLED'
  else {
    const files = { ca: ssl.ca, cert: ssl.cert, key: ssl.key }
    for (const [name, text] of Object.entries(files)) if (text !== undefined) values[`ssl-${name}`] = await write(`${name}.pem`, text)
    values['tls-version'] = ssl.minVersion === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2,TLSv1.3'
    const identity = ssl.rejectUnauthorized && ssl.verifyIdentity
    if (flavour === 'mariadb') {
      values.ssl = ''
      values[identity || ssl.rejectUnauthorized ? 'ssl-verify-server-cert' : 'skip-ssl-verify-server-cert'] = ''
    } else values['ssl-mode'] = identity ? 'VERIFY_IDENTITY' : ssl.rejectUnauthorized ? 'VERIFY_CA' : 'REQUIRED'
  }
  return Object.entries(values).map(([name, value]) => (value === '' && name !== 'password' ? name : `${name}=${quoted(value)}`))
}

/** MySQL manual, "Using Option Files": within quotes a backslash begins an escape. */
function quoted(value: string): string {
  if (/[\0\n\r]/.test(value)) {
    throw new BackupError('a setting of the connection holds a line break, which an option file cannot say', {
      code: 'UNSUPPORTED',
      hint: 'Execute with the option replay set to statements, which needs no tools.',
    })
  }
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
