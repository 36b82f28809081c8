import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { freePort } from './free-port.ts'
import { processOutput } from './process-output.ts'
import { Watchdog } from './watchdog.ts'

export interface ThrowawayCephS3Options {
  /** What the store can hold, in memory; 4 GiB when left out. */
  readonly memoryBytes?: number
  /** Created for the first user. */
  readonly buckets?: readonly string[]
  /** Whether it gives credentials for a role (STS), at the same endpoint. Then it says of a wrong secret key only that access is denied. */
  readonly tokenService?: boolean
}

export interface CephS3User {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** A Ceph RADOS gateway of one test suite, over one storage daemon in memory. It dies with the process that started it. */
export interface ThrowawayCephS3 extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  readonly endpoint: string
  /** What it keeps on disk; gone when it is stopped. */
  readonly directory: string
  readonly port: number
  /** May do everything with its own buckets. */
  readonly user: CephS3User
  /** Another user, who sees nothing of the first one's buckets unless a policy says so. */
  addUser(name: string): Promise<CephS3User>
  /** For the first user unless another is named. */
  createBucket(bucket: string, options?: { readonly user?: CephS3User; readonly objectLock?: boolean }): Promise<void>
  /** What the first user has in a bucket, up to a thousand of each: keys of objects, and `key (unfinished)` for multipart uploads that were begun. */
  stored(bucket: string): Promise<readonly string[]>
  /** Runs `radosgw-admin` and resolves with what it prints. */
  admin(adminArguments: readonly string[]): Promise<string>
  stop(): Promise<void>
}

/** A key of the gateway's own key service, for server-side encryption with a managed key. */
export const cephKmsKeyId = 'throwaway-key'

const startWithinMilliseconds = 60_000
const defaultMemoryBytes = 4 * 1024 ** 3

/**
 * Starts monitor, storage daemon and gateway on free ports of 127.0.0.1, which takes a second or two. Throws an Error that names
 * the Debian packages where they are missing.
 */
export async function startThrowawayCephS3(options: ThrowawayCephS3Options = {}): Promise<ThrowawayCephS3> {
  for (let attempt = 1; ; attempt++) {
    const server = new Gateway(options)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      if (isMissing(error)) {
        throw new Error('there is no Ceph here: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common', {
          cause: error,
        })
      }
      // Another process may have taken one of the ports.
      if (attempt === 3) throw error
    }
  }
}

class Gateway implements ThrowawayCephS3 {
  readonly user: CephS3User = newUser()
  readonly #options: ThrowawayCephS3Options
  #directory = ''
  #port = 0
  #daemons: { readonly child: ChildProcess; readonly exit: Promise<void> }[] = []
  #watchdog: Watchdog | undefined
  /** Nothing is waited for when one of the daemons has ended. */
  readonly #daemonDied = new AbortController()

  constructor(options: ThrowawayCephS3Options) {
    this.#options = options
  }

  get directory(): string {
    return this.#directory
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  async start(): Promise<void> {
    // Sockets of Ceph lie in it, whose paths must be short.
    this.#directory = await mkdtemp(join(tmpdir(), 'bp-s3-'))
    this.#watchdog = new Watchdog('throwaway-ceph-watchdog', [this.#directory])
    this.#port = await freePort()
    const monitorPort = await freePort()
    const cluster = randomUUID()
    const storage = randomUUID()
    for (const folder of ['mon', 'osd', 'run', 'log']) await mkdir(join(this.#directory, folder), { mode: 0o700 })
    await writeFile(this.#path('ceph.conf'), configuration(this.#directory, cluster, this.#port, monitorPort, this.#options), {
      mode: 0o600,
    })
    await this.#run('monmaptool', ['--create', '--addv', 'a', `[v1:127.0.0.1:${monitorPort}]`, '--fsid', cluster, this.#path('monmap')])
    await this.#run('ceph-mon', ['-c', this.#path('ceph.conf'), '--mkfs', '-i', 'a', '--monmap', this.#path('monmap')])
    await this.#daemon('ceph-mon', ['-i', 'a'])
    await this.#tellMonitor(['osd', 'new', storage, '0'])
    await this.#tellMonitor(['osd', 'crush', 'add', 'osd.0', '1', 'root=default', 'host=throwaway'])
    await this.#run('ceph-osd', ['-c', this.#path('ceph.conf'), '-i', '0', '--mkfs', '--osd-uuid', storage])
    await this.#daemon('ceph-osd', ['-i', '0'])
    // Before the gateway: it is told of every user, and for one that is only starting the answer is waited for a minute.
    await this.#createUser('throwaway', this.user)
    await this.#daemon('radosgw', ['-n', 'client.rgw'])
    await this.#answers()
    for (const bucket of this.#options.buckets ?? []) await this.createBucket(bucket)
  }

  async addUser(name: string): Promise<CephS3User> {
    const user = newUser()
    await this.#createUser(name, user)
    return user
  }

  async createBucket(bucket: string, options: { readonly user?: CephS3User; readonly objectLock?: boolean } = {}): Promise<void> {
    const client = this.#client(options.user ?? this.user)
    await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: options.objectLock === true }))
    client.destroy()
  }

  async stored(bucket: string): Promise<readonly string[]> {
    const client = this.#client(this.user)
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    client.destroy()
    return [...Contents.map(({ Key }) => Key ?? ''), ...Uploads.map(({ Key }) => `${Key} (unfinished)`)]
  }

  #client(user: CephS3User): S3Client {
    // The SDK writes into the credentials that it is given.
    return new S3Client({ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { ...user } })
  }

  async admin(adminArguments: readonly string[]): Promise<string> {
    return (await this.#run('radosgw-admin', ['-c', this.#path('ceph.conf'), ...adminArguments])).toString('utf8')
  }

  async stop(): Promise<void> {
    const daemons = this.#daemons.reverse()
    this.#daemons = []
    // Nothing of it is kept, so nothing needs an orderly end.
    for (const { child } of daemons) child.kill('SIGKILL')
    for (const { child, exit } of daemons) {
      child.ref()
      await exit
    }
    // Their numbers may be of others by now.
    this.#watchdog?.watch([])
    await this.#watchdog?.end()
    this.#watchdog = undefined
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }

  #run(program: string, programArguments: readonly string[]): Promise<Buffer> {
    return processOutput(program, programArguments, {
      signal: AbortSignal.any([AbortSignal.timeout(startWithinMilliseconds), this.#daemonDied.signal]),
    })
  }

  /** The command asks before it knows its cluster, now and then, and is refused: then it has done nothing. */
  async #tellMonitor(words: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#run('ceph', ['-c', this.#path('ceph.conf'), ...words])
        return
      } catch (error) {
        if (attempt === 10 || !(error instanceof Error && error.message.includes('EPERM'))) throw error
      }
    }
  }

  async #createUser(name: string, { accessKeyId, secretAccessKey }: CephS3User): Promise<void> {
    await this.admin([
      'user',
      'create',
      `--uid=${name}`,
      `--display-name=${name}`,
      `--access-key=${accessKeyId}`,
      `--secret=${secretAccessKey}`,
    ])
  }

  async #daemon(program: string, programArguments: readonly string[]): Promise<void> {
    const log = openSync(this.#path(`log/${program}.output`), 'a', 0o600)
    const child = spawn(program, ['-c', this.#path('ceph.conf'), '-f', ...programArguments], {
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', () => resolve())
    })
    const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.once('exit', () => this.#daemonDied.abort(new Error(`${program} has ended`)))
    child.unref()
    this.#daemons.push({ child, exit })
    this.#watchdog?.watch(this.#daemons.map(({ child: daemon }) => daemon.pid))
  }

  async #answers(): Promise<void> {
    const deadline = Date.now() + startWithinMilliseconds
    for (;;) {
      const answered = await fetch(this.endpoint).then(
        (response) => response.ok,
        () => false,
      )
      if (answered) return
      const dead = this.#daemons.find(({ child }) => child.exitCode !== null || child.signalCode !== null)
      if (dead !== undefined || Date.now() > deadline) {
        const output = await readFile(this.#path('log/radosgw.output'), 'utf8').catch(() => '')
        throw new Error(`the Ceph gateway does not answer at ${this.endpoint}: ${output.slice(-2000)}`)
      }
      await delay(100)
    }
  }
}

function newUser(): CephS3User {
  return { accessKeyId: randomBytes(10).toString('hex').toUpperCase(), secretAccessKey: randomBytes(20).toString('hex') }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function configuration(
  directory: string,
  cluster: string,
  port: number,
  monitorPort: number,
  { memoryBytes = defaultMemoryBytes, tokenService = false }: ThrowawayCephS3Options,
): string {
  return `[global]
fsid = ${cluster}
mon host = v1:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
# The map of the cluster changes some thirty times until the gateway answers, and each time the monitor would wait a second for more.
paxos propose interval = 0.05
paxos min wait = 0.01
# The daemon asks for these before it knows its cluster, now and then, and ends when they are refused.
osd crush update on start = false
osd class update on start = false
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
run dir = ${directory}/run
admin socket = ${directory}/run/$name.asok
pid file = ${directory}/run/$name.pid
log file = ${directory}/log/$name.log
[mon.a]
mon data = ${directory}/mon
[osd.0]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = ${memoryBytes}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${cephKmsKeyId}=${randomBytes(32).toString('base64')}
rgw gc obj min wait = 1
rgw gc processor period = 5
rgw gc processor max time = 5
${tokenService ? `rgw s3 auth use sts = true\nrgw sts key = ${randomBytes(8).toString('hex')}\n` : ''}`
}
