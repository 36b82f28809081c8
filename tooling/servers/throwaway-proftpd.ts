import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { greetingOf } from './greeting.ts'
import { processOutput } from './process-output.ts'
import { descendantsOf, killAll } from './process-tree.ts'
import { generateSshKey, sshFingerprint } from './ssh-keys.ts'
import { Watchdog } from './watchdog.ts'

export interface ThrowawayProftpdOptions {
  /** Lines of proftpd.conf after our own: `MaxClientsPerUser 1`. */
  readonly configuration?: readonly string[]
  /** What its user may upload in all, as mod_quotatab counts it; as much as there is room for when left out. */
  readonly quotaBytes?: number
}

/** A ProFTPD of one test suite that speaks SFTP only, on keys only. It dies with the process that started it, whatever way that process ends. */
export interface ThrowawayProftpd extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Who may log in; the files are those of the user that runs the tests. */
  readonly user: string
  readonly keyFile: string
  readonly knownHostsFile: string
  /** Where files are kept, for this machine and for clients. */
  readonly files: string
  readonly remotePath: string
  readonly directory: string
  readonly pid: number
  log(): Promise<string>
  /** Of its host key: `SHA256:…`. */
  fingerprint(): Promise<string>
  /** SIGKILL for the sessions only: connections break, new ones are taken. */
  killSessions(): Promise<void>
  stop(): Promise<void>
}

const readyWithinMilliseconds = 30_000

/** Where Debian and others put the modules of ProFTPD. */
const moduleFolders = ['/usr/lib/proftpd', '/usr/libexec/proftpd', '/usr/local/libexec/proftpd']

/** Starts a ProFTPD on 127.0.0.1 with keys, files and a configuration of its own. Throws an Error that names the Debian packages when there is none. */
export async function startThrowawayProftpd(options: ThrowawayProftpdOptions = {}): Promise<ThrowawayProftpd> {
  const server = new Server(findProftpd(), findModules(), options)
  await server.create()
  return server
}

class Server implements ThrowawayProftpd {
  readonly host = '127.0.0.1'
  readonly user = 'backup'
  readonly #program: string
  readonly #modules: string
  readonly #options: ThrowawayProftpdOptions
  #directory = ''
  #port = 0
  #process: { readonly child: ChildProcess; readonly pid: number; readonly exit: Promise<void> } | undefined
  #watchdog: Watchdog | undefined

  constructor(program: string, modules: string, options: ThrowawayProftpdOptions) {
    this.#program = program
    this.#modules = modules
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

  get knownHostsFile(): string {
    return join(this.#directory, 'known_hosts')
  }

  get files(): string {
    return join(this.#directory, 'data')
  }

  get remotePath(): string {
    return this.files
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the throwaway proftpd does not run')
    return this.#process.pid
  }

  async create(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'bp-proftpd-'))
    this.#watchdog = new Watchdog('throwaway-proftpd-watchdog', [this.#directory])
    try {
      await mkdir(this.files, { mode: 0o755 })
      await this.#makeKeys()
      await this.#makeUser()
      await this.#makeQuota()
      await this.#startOnSomePort()
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async #makeKeys(): Promise<void> {
    await generateSshKey('ed25519', this.#hostKeyFile, '')
    await generateSshKey('ed25519', this.keyFile, '')
    // mod_sftp reads public keys in the format of RFC 4716 only.
    const publicKey = await processOutput('ssh-keygen', ['-e', '-m', 'RFC4716', '-f', `${this.keyFile}.pub`])
    await writeFile(this.#authorizedKeysFile, publicKey, { mode: 0o600 })
  }

  get #hostKeyFile(): string {
    return join(this.#directory, 'host_key')
  }

  get #authorizedKeysFile(): string {
    return join(this.#directory, 'authorized_keys')
  }

  get #passwdFile(): string {
    return join(this.#directory, 'passwd')
  }

  /** A user that only this server knows: passwd(5), with a password that nothing is equal to. */
  async #makeUser(): Promise<void> {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
    await writeFile(this.#passwdFile, `${this.user}:!:${uid}:${gid}::${this.files}:/bin/sh\n`, { mode: 0o600 })
  }

  async #makeQuota(): Promise<void> {
    const { quotaBytes } = this.#options
    if (quotaBytes === undefined) return
    for (const type of ['limit', 'tally'] as const) {
      await processOutput('ftpquota', ['--create-table', `--type=${type}`, `--table-path=${this.#quotaTable(type)}`])
    }
    const limit = ['--limit-type=hard', `--bytes-upload=${quotaBytes}`, '--units=byte']
    const of = [`--name=${this.user}`, '--quota-type=user', `--table-path=${this.#quotaTable('limit')}`]
    await processOutput('ftpquota', ['--add-record', '--type=limit', ...of, ...limit])
  }

  #quotaTable(type: 'limit' | 'tally'): string {
    return join(this.#directory, `quota.${type}`)
  }

  async #startOnSomePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = await freePort()
      await this.#writeConfiguration()
      try {
        return await this.#start()
      } catch (error) {
        if (!(await this.log()).includes('Address already in use') || attempt === 5) throw error
        await rm(join(this.#directory, 'proftpd.log'), { force: true })
      }
    }
  }

  async #writeConfiguration(): Promise<void> {
    const { configuration = [], quotaBytes } = this.#options
    const inside = (name: string): string => join(this.#directory, name)
    const group = (await processOutput('id', ['-gn'])).toString().trim()
    const quota = [
      'LoadModule mod_quotatab.c',
      'LoadModule mod_quotatab_file.c',
      'QuotaEngine on',
      `QuotaLimitTable file:${this.#quotaTable('limit')}`,
      `QuotaTallyTable file:${this.#quotaTable('tally')}`,
    ]
    const lines = [
      `ModulePath ${this.#modules}`,
      'LoadModule mod_sftp.c',
      'ServerType standalone',
      'ServerName throwaway',
      'DefaultAddress 127.0.0.1',
      `Port ${this.#port}`,
      'SocketBindTight on',
      'UseIPv6 off',
      'UseReverseDNS off',
      `PidFile ${inside('pid')}`,
      `ScoreboardFile ${inside('scoreboard')}`,
      `SystemLog ${inside('proftpd.log')}`,
      'TransferLog none',
      'WtmpLog off',
      'DelayEngine off',
      // Its socket would lie where that of every other one on this machine does.
      'ControlsEngine off',
      `User ${userInfo().username}`,
      `Group ${group}`,
      'RootLogin on',
      'RequireValidShell off',
      'AuthOrder mod_auth_file.c',
      `AuthUserFile ${this.#passwdFile}`,
      'AllowOverwrite on',
      'AllowStoreRestart on',
      'SFTPEngine on',
      `SFTPLog ${inside('sftp.log')}`,
      `SFTPHostKey ${this.#hostKeyFile}`,
      `SFTPAuthorizedUserKeys file:${this.#authorizedKeysFile}`,
      'SFTPAuthMethods publickey',
      ...(quotaBytes === undefined ? [] : quota),
      ...configuration,
    ]
    await writeFile(inside('proftpd.conf'), `${lines.join('\n')}\n`, { mode: 0o600 })
    const key = await readFile(`${this.#hostKeyFile}.pub`, 'utf8')
    await writeFile(this.knownHostsFile, `[127.0.0.1]:${this.#port} ${key}`)
  }

  async #start(): Promise<void> {
    const log = openSync(join(this.#directory, 'proftpd.log'), 'a', 0o600)
    const child = spawn(this.#program, ['-n', '-c', join(this.#directory, 'proftpd.conf')], { stdio: ['ignore', log, log], detached: true })
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
      await this.#kill()
      throw error
    }
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMilliseconds
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`proftpd ended with ${child.exitCode ?? child.signalCode} while it started:\n${await this.log()}`)
      }
      if ((await greetingOf(this.#port))?.toString('latin1').startsWith('SSH-') === true) return
      await delay(20)
    }
    throw new Error(`proftpd was not ready within ${readyWithinMilliseconds} ms:\n${await this.log()}`)
  }

  async log(): Promise<string> {
    const texts = await Promise.all(
      ['proftpd.log', 'sftp.log'].map((name) => readFile(join(this.#directory, name), 'utf8').catch(() => '')),
    )
    return texts.join('\n').slice(-8000)
  }

  fingerprint(): Promise<string> {
    return sshFingerprint(`${this.#hostKeyFile}.pub`)
  }

  async killSessions(): Promise<void> {
    killAll(await descendantsOf(this.pid))
  }

  async #kill(): Promise<void> {
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

  async stop(): Promise<void> {
    await this.#kill()
    await this.#watchdog?.end()
    this.#watchdog = undefined
    await rm(this.#directory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function findProftpd(): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin']
  const found = folders.map((folder) => join(folder, 'proftpd')).find((path) => path.startsWith('/') && existsSync(path))
  if (found === undefined) throw new Error('there is no proftpd on this machine; Debian has it in the package proftpd-core')
  return found
}

/** The folder with mod_sftp, which is in a package of its own. */
function findModules(): string {
  const found = moduleFolders.find((folder) => existsSync(join(folder, 'mod_sftp.so')))
  if (found === undefined) {
    throw new Error('the proftpd on this machine speaks no SFTP; Debian has mod_sftp in the package proftpd-mod-crypto')
  }
  return found
}
