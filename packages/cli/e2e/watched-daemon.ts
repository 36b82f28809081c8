import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { ScheduledBackup, ScheduledOutcome, ScheduledRun } from '@backup-planet/core'
import { type ChildCommand, type ChildResult, startCommand } from './child-command.ts'

/** One line of `daemon --json`; what is in it depends on its type. */
export interface DaemonLine {
  readonly at: string
  readonly type: string
  readonly run?: ScheduledRun
  readonly outcome?: ScheduledOutcome
  readonly backup?: ScheduledBackup
  readonly failure?: { readonly code: string; readonly message: string }
  readonly lasting?: boolean
  readonly kind?: string
  readonly reason?: string
}

export interface WatchedDaemonSettings {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  /** How long a line is waited for. */
  readonly patienceMilliseconds: number
}

const lookEveryMilliseconds = 20

/** The daemon as somebody has it who starts it again whenever it was killed: one log over all of its processes. */
export class WatchedDaemon implements AsyncDisposable {
  /** Of all processes; what one was writing when it was killed is not there. */
  readonly lines: DaemonLine[] = []
  /** In bytes: the most that any process took. */
  peakMemory = 0
  readonly #settings: WatchedDaemonSettings
  #running: { readonly child: ChildCommand; readUntil: number } | undefined

  constructor(settings: WatchedDaemonSettings) {
    this.#settings = settings
  }

  start(): void {
    if (this.#running !== undefined) throw new TypeError('the daemon runs already')
    const { directory, environment } = this.#settings
    this.#running = { child: startCommand(['daemon', '--json'], environment, directory), readUntil: 0 }
  }

  /** In bytes: what the process takes now. */
  async memory(): Promise<number> {
    const status = await readFile(`/proc/${this.#running?.child.pid}/status`, 'utf8').catch(() => '')
    const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
    this.peakMemory = Math.max(this.peakMemory, of('VmHWM'))
    return of('VmRSS')
  }

  /** As when the system runs out of memory. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** As a service manager stops it. */
  async stop(): Promise<ChildResult> {
    return await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<ChildResult> {
    const running = this.#running
    if (running === undefined) throw new TypeError('the daemon does not run')
    await this.memory()
    running.child.signal(signal)
    const ended = await running.child.ended
    this.#read()
    this.#running = undefined
    return ended
  }

  /** The first line like this from the one with that number on; waits for it. Throws when the daemon ends, or after too long. */
  async seen(what: string, from: number, isIt: (line: DaemonLine) => boolean): Promise<DaemonLine> {
    return await this.until(what, () => this.lines.slice(from).find(isIt))
  }

  /** Looks again and again until there is something; throws when the daemon ends, or after too long. */
  async until<Found>(what: string, look: () => Found | undefined | Promise<Found | undefined>): Promise<Found> {
    const deadline = Date.now() + this.#settings.patienceMilliseconds
    let ended = false
    void this.#running?.child.ended.then(() => {
      ended = true
    })
    for (;;) {
      this.#read()
      const found = await look()
      if (found !== undefined) return found
      if (ended) throw new Error(`the daemon ended before there was ${what}:\n${this.#said()}`)
      if (Date.now() > deadline) throw new Error(`there was not ${what} within ${this.#settings.patienceMilliseconds} ms:\n${this.#said()}`)
      await delay(lookEveryMilliseconds)
    }
  }

  #said(): string {
    return (this.#running?.child.written.stderr ?? '').slice(-4000)
  }

  #read(): void {
    const running = this.#running
    if (running === undefined) return
    const { stdout } = running.child.written
    const end = stdout.lastIndexOf('\n') + 1
    const lines = stdout.slice(running.readUntil, end).split('\n')
    running.readUntil = Math.max(running.readUntil, end)
    for (const line of lines) if (line !== '') this.lines.push(JSON.parse(line) as DaemonLine)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running !== undefined) await this.kill()
  }
}
