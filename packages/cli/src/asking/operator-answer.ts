import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { BackupError } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'

/** Whether somebody sits at a terminal and can be asked. */
export function canAsk({ stdin, stderr }: CommandContext): boolean {
  return stdin.isTTY === true && stderr.isTTY === true
}

/** What the operator types; empty when the terminal is closed instead. */
export async function ask(question: string, { stdin, output, signal }: CommandContext): Promise<string> {
  const drawn = new Writable({
    write(chunk, _encoding, callback) {
      output.draw(String(chunk))
      callback()
    },
  })
  const prompt = createInterface({ input: stdin, output: drawn })
  try {
    return await Promise.race([
      prompt.question(question, { signal }),
      new Promise<string>((resolve) => prompt.once('close', () => resolve(''))),
    ])
  } finally {
    prompt.close()
  }
}

/**
 * Answers that are not shown while they are typed, one after the other. Throws `ABORTED` when the operator presses Ctrl-C, which no signal
 * tells while a terminal shows nothing, or closes the terminal.
 */
export async function askInSecret(questions: readonly string[], { stdin, output, signal }: CommandContext): Promise<readonly string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  // As a terminal: it is then the prompt, and not the terminal, that would show what is typed.
  const prompt = createInterface({ input: stdin, output: nowhere, terminal: true, historySize: 0 })
  // Lines that come faster than they are asked for, such as pasted ones, wait here.
  const typed: string[] = []
  let wake = () => {}
  let closed = false
  prompt.on('line', (line) => {
    typed.push(line)
    wake()
  })
  prompt.once('close', () => {
    closed = true
    wake()
  })
  const stop = () => prompt.close()
  signal.addEventListener('abort', stop, { once: true })
  try {
    const answers: string[] = []
    for (const question of questions) {
      output.draw(question)
      while (typed.length === 0 && !closed) await new Promise<void>((resolve) => (wake = resolve))
      output.draw('\n')
      const answer = typed.shift()
      if (answer === undefined) throw nothingTyped()
      answers.push(answer)
    }
    return answers
  } finally {
    signal.removeEventListener('abort', stop)
    prompt.close()
  }
}

function nothingTyped(): BackupError {
  return new BackupError('no password was typed', { code: 'ABORTED', hint: 'Nothing was changed. Start again whenever you like.' })
}
