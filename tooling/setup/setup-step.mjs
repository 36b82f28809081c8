import { exitAs, runQuietly } from './command.mjs'

/** A step of the setup that did not succeed; the message is for the reader of the terminal. */
export class SetupFailure extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/**
 * One step of the setup: says one line with its time on stderr. `work` resolves with what it did in a few words,
 * or with `undefined` when there was nothing to do; with `quiet` that is not worth a line.
 */
export async function setupStep(name, { quiet = false } = {}, work) {
  const begun = performance.now()
  const live = process.stderr.isTTY === true && !quiet
  if (live) process.stderr.write(`  ${name.padEnd(24)} …`)
  try {
    const done = await work()
    if (live) process.stderr.write('\r\u001b[K')
    if (done === undefined && quiet) return
    const seconds = ((performance.now() - begun) / 1000).toFixed(1)
    process.stderr.write(`  ${name.padEnd(24)} ${seconds.padStart(6)} s  ${done ?? 'as it was'}\n`)
  } catch (error) {
    if (live) process.stderr.write('\n')
    throw error
  }
}

/** Runs the command of a step, or throws a failure that tells how to do the step by hand. */
export async function runForStep(step, program, commandArguments, { environment, byHand } = {}) {
  const ended = await runQuietly(program, commandArguments, { environment })
  if (ended.code === 0 && ended.signal === null) return ended.output
  const command = [program, ...commandArguments].map((word) => (/[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word)).join(' ')
  const tail = ended.output.trimEnd().split('\n').slice(-25).join('\n    ')
  const how = ended.signal === null ? `ended with exit code ${ended.code}` : `was ended by ${ended.signal}`
  throw new SetupFailure(
    `Setting up stopped at the step "${step}": the command ${how}.\n\n  ${command}\n\n  The end of what it said:\n    ${tail}\n\n  By hand: ${byHand ?? command}`,
    exitAs(ended) || 1,
  )
}
