import { type ChildProcess, spawn } from 'node:child_process'

/**
 * Reads from a pipe what runs now, a line each time, and acts when the pipe closes. The folders go when nothing writes to them any more:
 * a process that is dead and only waits to be reaped, as it does for ever where process 1 reaps nothing, counts as gone.
 */
const script = `
pids=
while read -r line; do pids=$line; done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
for pid in $pids; do
  looks=0
  while [ $looks -lt 200 ] && kill -0 "$pid" 2>/dev/null; do
    case "$(cat "/proc/$pid/stat" 2>/dev/null)" in *') Z '*) break ;; esac
    sleep 0.05
    looks=$((looks + 1))
  done
done
for folder; do [ -n "$folder" ] && rm -rf -- "$folder"; done
`

/** A process that outlives ours, and cleans up behind a throwaway server when we are gone, by whatever signal. */
export class Watchdog {
  readonly #child: ChildProcess
  readonly #exit: Promise<void>

  /** @param folders removed at the end; empty ones are none */
  constructor(name: string, folders: readonly string[]) {
    const child = spawn('/bin/sh', ['-c', script, name, ...folders], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    child.stdin.on('error', () => undefined)
    child.unref()
    if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref()
    this.#child = child
    this.#exit = new Promise((resolve) => child.once('exit', () => resolve()))
  }

  /** These run now, and none of those before. */
  watch(pids: readonly (number | undefined)[]): void {
    this.#child.stdin?.write(`${pids.filter((pid) => pid !== undefined).join(' ')}\n`)
  }

  /** Kills what still runs and removes the folders. */
  async end(): Promise<void> {
    this.#child.ref()
    this.#child.stdin?.end()
    await this.#exit
  }
}
