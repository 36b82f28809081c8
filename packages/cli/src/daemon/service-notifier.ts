import type { CommandRunner } from '@backup-planet/core'

/** What a service manager is told, in the words of sd_notify(3). */
export interface ServiceNotifier {
  ready(): void
  reloading(): void
  stopping(): void
  /** One line for people, as `systemctl status` shows it. */
  status(text: string): void
  /** Until it is disposed, says that all is well as often as the manager wants to hear it, while `isWell`. */
  watch(isWell: () => boolean): Disposable
  /** When all has been said. */
  said(): Promise<void>
}

export interface ServiceNotifierSettings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly runner: CommandRunner
  readonly warn: (text: string) => void
}

/**
 * Speaks to systemd where it listens, which the environment says, and to nobody elsewhere.
 *
 * By the command `systemd-notify`, since Node has no datagram sockets of this kind, for which a module must be compiled, and the
 * command is there wherever systemd is. As it is a process of its own, the unit needs `NotifyAccess=all`.
 */
export function createServiceNotifier({ environment, runner, warn }: ServiceNotifierSettings): ServiceNotifier {
  let queue = Promise.resolve()
  let last = ''
  let failed = false
  const tell = (...assignments: readonly string[]): void => {
    if (environment.NOTIFY_SOCKET === undefined) return
    queue = queue.then(async () => {
      try {
        const { exitCode, stderr } = await runner.run({ command: 'systemd-notify', arguments: assignments, timeoutMs: 10_000 })
        if (exitCode !== 0) throw new Error(stderr.trim())
      } catch (error) {
        if (!failed) warn(`systemd cannot be told what goes on: ${error instanceof Error ? error.message : String(error)}`)
        failed = true
      }
    })
  }
  return {
    ready: () => tell('READY=1'),
    // systemd.service(5), Type=notify-reload: with the time of the clock that nobody sets, in microseconds.
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1'),
    status(text) {
      if (text === last) return
      last = text
      tell(`STATUS=${text.replaceAll('\n', ' ')}`)
    },
    watch(isWell) {
      const microseconds = Number(environment.WATCHDOG_USEC)
      const ours = environment.WATCHDOG_PID === undefined || Number(environment.WATCHDOG_PID) === process.pid
      if (!ours || !(microseconds > 0)) return { [Symbol.dispose]: () => undefined }
      const timer = setInterval(() => isWell() && tell('WATCHDOG=1'), microseconds / 2000)
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
    said: () => queue,
  }
}
