import { Decrypter, Encrypter } from 'age-encryption'

/** What a thread is asked to do with the whole of a small file. */
export interface PassphraseTask {
  readonly task: 'encrypt' | 'decrypt'
  readonly passphrase: string
  /** Base-2 logarithm of scrypt's cost, for `encrypt`. */
  readonly workFactor: number | undefined
  readonly bytes: Uint8Array
}

export type PassphraseAnswer = { readonly bytes: Uint8Array } | { readonly failure: string }

export function performTask(task: PassphraseTask): Promise<PassphraseAnswer> {
  return transformed(task).then(
    (bytes) => ({ bytes }),
    (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
  )
}

async function transformed({ task, passphrase, workFactor, bytes }: PassphraseTask): Promise<Uint8Array> {
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
