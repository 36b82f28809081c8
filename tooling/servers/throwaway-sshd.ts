import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { greetingOf } from './greeting.ts'
import { processOutput } from './process-output.ts'
import { descendantsOf, killAll } from './process-tree.ts'
import { generateSshKey, sshFingerprint } from './ssh-keys.ts'
import { Watchdog } from './watchdog.ts'

export interface ThrowawaySshdOptions {
  /** Lines of sshd_config(5) before our own, so that they win: `MaxSessions 1`. */
  readonly configuration?: readonly string[]
  /** Shuts its users into `files`, which then is `/data` for them. Needs root, as sshd itself does for that. */
  readonly chroot?: boolean
  /** Whether commands such as `sha256sum` can be run beside SFTP; `true` when left out, never with `chroot`. */
  readonly commands?: boolean
  /** Kinds of host keys, as ssh-keygen calls them; an Ed25519 one when left out. */
  readonly hostKeys?: readonly ('ed25519' | 'ecdsa' | 'rsa')[]
  /** A free one when left out. */
  readonly port?: number
}

/** An OpenSSH server of one test suite, on keys only. It dies with the process that started it, whatever way that process ends. */
export interface ThrowawaySshd extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Who may log in: the user that runs the tests. */
  readonly user: string
  /** Private keys in files of their own: one that is let in, the same one under a passphrase, and one that is not. */
  readonly keyFile: string
  readonly encryptedKeyFile: string
  readonly passphrase: string
  readonly strangerKeyFile: string
  /** Lines for every host key of this server. */
  readonly knownHostsFile: string
  /** Where files are kept, as this machine sees it, and as a client does. */
  readonly files: string
  readonly remotePath: string
  readonly directory: string
  readonly pid: number
  log(): Promise<string>
  /** Of the host key of this kind: `SHA256:…`. */
  fingerprint(kind?: string): Promise<string>
  /** SIGKILL for the server and every session of it, as when its machine loses power. */
  kill(): Promise<void>
  /** SIGKILL for the sessions only: connections break, new ones are taken. */
  killSessions(): Promise<void>
  /** Starts the server anew with the same keys, files and port. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const readyWithinMilliseconds = 30_000

/** Starts an OpenSSH server on 127.0.0.1 with keys, files and a configuration of its own. Throws an Error that names the Debian package when there is no `sshd`. */
export async function startThrowawaySshd(options: ThrowawaySshdOptions = {}): Promise<ThrowawaySshd> {
  const server = new Server(findSshd(), options)
  await server.create()
  return server
}

class Server implements ThrowawaySshd {
  readonly host = '127.0.0.1'
  readonly user = userInfo().username
  readonly passphrase = 'of the throwaway key'
  readonly #program: string
  readonly #options: ThrowawaySshdOptions
  #directory = ''
  #port = 0
  #process: { readonly child: ChildProcess; readonly pid: number; readonly exit: Promise<void> } | undefined
  #watchdog: Watchdog | undefined

  constructor(program: string, options: ThrowawaySshdOptions) {
    this.#program = program
    this.#options = options
  }

  get port(): number {
    return this.#port
  }

  get directory(): string {
    return this.#directory
  }

  get keyFile(): string {
    return join(this.#directory, 'client_key')
  }

  get encryptedKeyFile(): string {
    return join(this.#directory, 'client_key_encrypted')
  }

  get strangerKeyFile(): string {
    return join(this.#directory, 'stranger_key')
  }

  get knownHostsFile(): string {
    return join(this.#directory, 'known_hosts')
  }

  get files(): string {
    return join(this.#directory, 'root', 'data')
  }

  get remotePath(): string {
    return this.#options.chroot === true ? '/data' : this.files
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the throwaway sshd does not run')
    return this.#process.pid
  }

  async create(): Promise<void> {
    // A chroot must lie in folders that nobody but root can write to, which no folder for temporary files is.
    this.#directory = await mkdtemp(join(this.#options.chroot === true ? '/var/lib' : tmpdir(), 'bp-sshd-'))
    if (this.#options.chroot === true) await chmod(this.#directory, 0o755)
    this.#watchdog = new Watchdog('throwaway-sshd-watchdog', [this.#directory])
    try {
      await mkdir(this.files, { recursive: true, mode: 0o755 })
      await this.#makeKeys()
      await this.#startOnSomePort()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #makeKeys(): Promise<void> {
    for (const kind of this.#hostKeys()) await generateSshKey(kind, this.#hostKeyFile(kind), '')
    await generateSshKey('ed25519', this.keyFile, '')
    await generateSshKey('ed25519', this.strangerKeyFile, '')
    await writeFile(this.encryptedKeyFile, await readFile(this.keyFile), { mode: 0o600 })
    await processOutput('ssh-keygen', ['-q', '-p', '-P', '', '-N', this.passphrase, '-f', this.encryptedKeyFile])
    await writeFile(join(this.#directory, 'authorized_keys'), await readFile(`${this.keyFile}.pub`), { mode: 0o600 })
  }

  #hostKeys(): readonly string[] {
    return this.#options.hostKeys ?? ['ed25519']
  }

  #hostKeyFile(kind: string): string {
    return join(this.#directory, `host_${kind}_key`)
  }

  async #startOnSomePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = this.#options.port ?? (await freePort())
      await this.#writeConfiguration()
      try {
        return await this.#start()
      } catch (error) {
        const taken = this.#options.port === undefined && (await this.log()).includes('Address already in use')
        if (!taken || attempt === 5) throw error
        await rm(join(this.#directory, 'sshd.log'), { force: true })
      }
    }
  }

  async #writeConfiguration(): Promise<void> {
    const { configuration = [], chroot = false, commands = true } = this.#options
    const lines = [
      ...configuration,
      `Port ${this.#port}`,
      'ListenAddress 127.0.0.1',
      ...this.#hostKeys().map((kind) => `HostKey ${this.#hostKeyFile(kind)}`),
      'PidFile none',
      `AuthorizedKeysFile ${join(this.#directory, 'authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      // The one keyword of which sshd takes the last line.
      ...(configuration.some((line) => /^MaxStartups\b/i.test(line)) ? [] : ['MaxStartups 100']),
      'LogLevel VERBOSE',
      // Which may be said once only.
      ...(configuration.some((line) => /^Subsystem\s+sftp\b/i.test(line)) ? [] : ['Subsystem sftp internal-sftp']),
      ...(chroot ? [`ChrootDirectory ${join(this.#directory, 'root')}`] : []),
      ...(chroot || !commands ? ['ForceCommand internal-sftp'] : []),
    ]
    await writeFile(join(this.#directory, 'sshd_config'), `${lines.join('\n')}\n`)
    const keys = await Promise.all(this.#hostKeys().map((kind) => readFile(`${this.#hostKeyFile(kind)}.pub`, 'utf8')))
    await writeFile(this.knownHostsFile, keys.map((key) => `[127.0.0.1]:${this.#port} ${key}`).join(''))
  }

  async #start(): Promise<void> {
    // Where sshd shuts its unprivileged half in; a package makes it when the service starts, and none does here.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
    const log = openSync(join(this.#directory, 'sshd.log'), 'a', 0o600)
    const child = spawn(this.#program, ['-D', '-e', '-f', join(this.#directory, 'sshd_config')], {
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', () => resolve(child.pid ?? 0))
    })
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.unref()
    this.#process = { child, pid, exit }
    this.#watchdog?.watch([pid])
    try {
      await this.#ready(child)
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMilliseconds
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`sshd ended with ${child.exitCode ?? child.signalCode} while it started:\n${await this.log()}`)
      }
      if ((await greetingOf(this.#port))?.toString('latin1').startsWith('SSH-') === true) return
      await delay(20)
    }
    throw new Error(`sshd was not ready within ${readyWithinMilliseconds} ms:\n${await this.log()}`)
  }

  async log(): Promise<string> {
    const text = await readFile(join(this.#directory, 'sshd.log'), 'utf8').catch(() => '')
    return text.slice(-8000)
  }

  async fingerprint(kind = this.#hostKeys()[0] ?? ''): Promise<string> {
    return await sshFingerprint(`${this.#hostKeyFile(kind)}.pub`)
  }

  async kill(): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    // The server first: it must not take another connection while its sessions end.
    const sessions = await descendantsOf(running.pid)
    if (running.child.exitCode === null && running.child.signalCode === null) {
      running.child.ref()
      running.child.kill('SIGKILL')
      await running.exit
    }
    killAll(sessions)
    this.#process = undefined
    this.#watchdog?.watch([])
  }

  async killSessions(): Promise<void> {
    killAll(await descendantsOf(this.pid))
  }

  async restart(): Promise<void> {
    await this.kill()
    await this.#start()
  }

  async stop(): Promise<void> {
    await this.kill()
    await this.#watchdog?.end()
    this.#watchdog = undefined
    await rm(this.#directory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function findSshd(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin']
  // sshd starts itself again for every connection and therefore wants to be called by its absolute path.
  const found = folders.map((folder) => join(folder, 'sshd')).find((path) => path.startsWith('/') && existsSync(path))
  if (found === undefined) throw new Error('there is no sshd on this machine; Debian has it in the package openssh-server')
  return found
}
