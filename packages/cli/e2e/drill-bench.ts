import { chmod, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect } from 'vitest'
import { runCommandLine } from '../src/index.ts'

export interface Told {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A server, its job `shop` with a full and a log in an archive and in a restic repository, and a job `safe` that has made no backup. */
export class DrillBench {
  readonly server: ThrowawayMariadb
  readonly directory: string

  private constructor(server: ThrowawayMariadb, directory: string) {
    this.server = server
    this.directory = directory
  }

  static async start(): Promise<DrillBench> {
    const directory = await mkdtemp(join(tmpdir(), 'bp-drill-'))
    // The user of servers comes to what is below.
    await chmod(directory, 0o711)
    const bench = new DrillBench(await startThrowawayMariadb(), directory)
    await bench.#configure()
    const { server } = bench
    await server.client(
      'CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note VARBINARY(300)); INSERT INTO orders SELECT seq, RANDOM_BYTES(200) FROM seq_1_to_5000',
    )
    expect(await bench.ask('init')).toMatchObject({ code: 0 })
    expect(await bench.ask('run', 'shop')).toMatchObject({ code: 0 })
    await server.client('USE shop; INSERT INTO orders SELECT seq, RANDOM_BYTES(200) FROM seq_5001_to_6000')
    expect(await bench.ask('run', 'shop', '--kind', 'log')).toMatchObject({ code: 0 })
    return bench
  }

  async #configure(): Promise<void> {
    const { directory, server } = this
    const settings = `{ host: ${server.host}, port: ${server.port}, user: root, password: "\${env:MYSQL_PASSWORD}" }`
    await writeFile(
      join(directory, 'backup-planet.yaml'),
      `repositories:
  plain: { kind: archive, destination: ./plain }
  packed: { kind: restic, destination: ./packed, password: simple, cacheDirectory: ${join(directory, 'cache')} }
jobs:
  shop: { agent: mysql, settings: ${settings}, repository: plain, mirrors: [packed], drill: { directory: ./drills } }
  safe: { agent: mysql, settings: ${settings}, repository: packed, drill: { directory: ./drills } }
targets:
  beside: { agent: mysql, settings: ${settings} }
staging: { directory: ./staging }
`,
      { mode: 0o600 },
    )
  }

  /** Without a process of its own, which costs a second each. */
  async ask(...argv: readonly string[]): Promise<Told> {
    const written = { stdout: '', stderr: '' }
    const { directory } = this
    const code = await runCommandLine(['--config', join(directory, 'backup-planet.yaml'), ...argv], {
      stdout: { write: (text) => (written.stdout += text) },
      stderr: { write: (text) => (written.stderr += text) },
      stdin: new PassThrough(),
      environment: { MYSQL_PASSWORD: this.server.rootPassword, HOME: directory, XDG_STATE_HOME: directory },
    })
    return { code, ...written }
  }

  /** Places that drills have left, and servers that stand in them. */
  async left(): Promise<{ readonly places: readonly string[]; readonly servers: readonly number[] }> {
    const drills = join(this.directory, 'drills')
    const servers: number[] = []
    for (const name of await readdir('/proc')) {
      const place = /^\d+$/.test(name) ? await readlink(`/proc/${name}/cwd`).catch(() => '') : ''
      if (place.startsWith(`${drills}/`)) servers.push(Number(name))
    }
    return { places: await readdir(drills), servers }
  }

  async outcomes(job: string): Promise<readonly string[]> {
    const { records } = JSON.parse((await this.ask('evidence', job, '--json')).stdout) as {
      readonly records: readonly { readonly evidence: { readonly outcome: string } }[]
    }
    return records.map(({ evidence }) => evidence.outcome)
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
    await this.server.stop()
  }
}
