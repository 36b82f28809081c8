import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { PassphraseAnswer, PassphraseTask } from './passphrase-task.ts'

/**
 * Deriving a key from a passphrase takes a second of uninterrupted computing, which is why it has a thread of its own. The thread
 * lies beside this module in the sources, and beside the bundle when built.
 */
export async function inThread(task: PassphraseTask): Promise<PassphraseAnswer> {
  const name = import.meta.url.endsWith('.ts') ? './passphrase-thread.ts' : './passphrase-thread.js'
  const worker = new Worker(new URL(name, import.meta.url), { workerData: task, execArgv: [], stdin: false })
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`the thread that derives a key from the passphrase ended with ${code} and no answer`)
  })
  ended.catch(() => undefined)
  try {
    const [answer] = await Promise.race([once(worker, 'message'), ended])
    return answer as PassphraseAnswer
  } finally {
    await worker.terminate()
  }
}
