import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { repositoryRoot } from './repository-root.mjs'

/**
 * Runs a command to its end without a shell and keeps what it says; nothing is printed.
 * Resolves with `{ code, signal, output }`, also when the program does not exist (`code` 127).
 */
export function runQuietly(program, commandArguments, { environment = process.env, directory = repositoryRoot } = {}) {
  const child = spawn(program, commandArguments, { cwd: directory, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks = []
  child.stdout.on('data', (chunk) => chunks.push(chunk))
  child.stderr.on('data', (chunk) => chunks.push(chunk))
  return ending(child, () => Buffer.concat(chunks).toString())
}

/** Runs a command that owns the terminal: its input and output are ours. */
export function runInForeground(program, commandArguments, { environment = process.env, directory = repositoryRoot } = {}) {
  return ending(spawn(program, commandArguments, { cwd: directory, env: environment, stdio: 'inherit' }), () => '')
}

/** The exit code of a finished command, dying of the same signal where it died of one. */
export function exitAs({ code, signal }) {
  if (signal === null) return code
  return 128 + (constants.signals[signal] ?? 0)
}

function ending(child, output) {
  const forwarded = ['SIGTERM', 'SIGHUP']
  // On a terminal Ctrl-C reaches the whole process group; a second one from us would read as impatience.
  if (!process.stdin.isTTY) forwarded.push('SIGINT')
  const forward = (signal) => child.kill(signal)
  const wait = () => undefined
  for (const signal of forwarded) process.on(signal, forward)
  process.on('SIGINT', wait)
  return new Promise((resolve) => {
    const end = (result) => {
      for (const signal of forwarded) process.off(signal, forward)
      process.off('SIGINT', wait)
      resolve(result)
    }
    child.once('error', (error) => end({ code: 127, signal: null, output: error.message }))
    child.once('close', (code, signal) => end({ code: code ?? 1, signal, output: output() }))
  })
}
