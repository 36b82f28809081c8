import { parentPort, workerData } from 'node:worker_threads'
import { Decrypter, Encrypter } from 'age-encryption'
import type { PassphraseAnswer, PassphraseTask } from './passphrase-file.ts'

/** Deriving a key from a passphrase takes a second of uninterrupted computing, which is why it has a thread of its own. */
async function done({ task, passphrase, workFactor, bytes }: PassphraseTask): Promise<Uint8Array> {
  if (task === 'encrypt') {
    const encrypter = new Encrypter()
    encrypter.setPassphrase(passphrase)
    if (workFactor !== undefined) encrypter.setScryptWorkFactor(workFactor)
    return encrypter.encrypt(bytes)
  }
  const decrypter = new Decrypter()
  decrypter.addPassphrase(passphrase)
  return decrypter.decrypt(bytes)
}

const answer: PassphraseAnswer = await done(workerData as PassphraseTask).then(
  (bytes) => ({ bytes }),
  (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
)
parentPort?.postMessage(answer)
