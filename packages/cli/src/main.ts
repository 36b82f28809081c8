#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'
import { exitCodes } from './exit-codes.ts'

const controller = new AbortController()

/** The first signal ends gracefully; the second does not wait. */
function stop(signal: NodeJS.Signals): void {
  if (controller.signal.aborted) process.exit(exitCodes.aborted)
  process.stderr.write(`\n${signal}: stopping and cleaning up; once more to leave at once\n`)
  controller.abort(new Error(`stopped by ${signal}`))
}

process.on('SIGINT', stop)
process.on('SIGTERM', stop)
// A reader such as "head" that has seen enough is no failure of the command.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(process.exitCode ?? exitCodes.done)
})

process.exitCode = await runCommandLine(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  environment: process.env,
  signal: controller.signal,
})
process.off('SIGINT', stop)
process.off('SIGTERM', stop)
// Whatever a plugin forgot to close must not keep a finished command alive; without such a leftover this timer never fires.
setTimeout(() => process.exit(), 5000).unref()
