#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'
import { exitCodes } from './exit-codes.ts'
import { keepMemoryLean } from './lean-memory.ts'

const controller = new AbortController()

/** The first signal ends gracefully; the second does not wait. */
function stop(signal: NodeJS.Signals): void {
  if (controller.signal.aborted) process.exit(exitCodes.aborted)
  controller.abort(new Error(`${signal}: stopping and cleaning up; once more to leave at once`))
}

const reloading = new Set<() => void>()

/** A terminal that was closed, or a connection that broke; to who listens, the wish that the configuration be read anew. */
function hangUp(): void {
  if (reloading.size === 0) stop('SIGHUP')
  for (const reload of reloading) reload()
}

const signals = [
  ['SIGINT', stop],
  ['SIGTERM', stop],
  ['SIGHUP', hangUp],
] as const
for (const [signal, listener] of signals) process.on(signal, listener)

/** What these do must be done to the end, whether anybody still reads what they say or not. */
const working = new Set(['run', 'follow', 'daemon', 'restore', 'files', 'init', 'prune', 'copy', 'key', 'unlock', 'rebuild-index'])
const goesOn = process.argv.slice(2).some((word) => working.has(word))
if (goesOn) keepMemoryLean()
const closed = new Set(['EPIPE', 'EIO', 'ECONNRESET', 'ERR_STREAM_DESTROYED'])
let unwritable = false

/** A reader such as "head" that has seen enough is no failure of the command; a disk that is full is one of what only tells. */
function onUnwritable(error: NodeJS.ErrnoException): void {
  if (closed.has(error.code ?? '')) {
    if (!goesOn) process.exit(process.exitCode ?? exitCodes.done)
    return
  }
  if (unwritable) return
  unwritable = true
  process.stderr.write(`standard output cannot be written (${error.code ?? error.message})${goesOn ? '; going on without it' : ''}\n`)
  if (!goesOn) process.exit(exitCodes.failed)
}
process.stdout.on('error', onUnwritable)
// There is nowhere left to say it.
process.stderr.on('error', () => undefined)

process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  environment: process.env,
  signal: controller.signal,
  onReload(listener) {
    reloading.add(listener)
    return () => reloading.delete(listener)
  },
})
for (const [signal, listener] of signals) process.off(signal, listener)
// Whatever a plugin forgot to close must not keep a finished command alive; without such a leftover this timer never fires.
setTimeout(() => process.exit(), 5000).unref()
