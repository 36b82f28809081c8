import { Decrypter, Encrypter } from 'age-encryption'
import * as z from 'zod'

/** What a process is asked to do with the whole of a small file. */
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

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
const taskSchema = z.strictObject({
  task: z.enum(['encrypt', 'decrypt']),
  passphrase: z.string(),
  workFactor: z.int().optional(),
  bytes: base64,
})
const answerSchema = z.union([z.strictObject({ bytes: base64 }), z.strictObject({ failure: z.string() })])

export function passphraseTaskText(task: PassphraseTask): string {
  return JSON.stringify({ ...task, bytes: Buffer.from(task.bytes).toString('base64') })
}

export function parsePassphraseTask(text: string): PassphraseTask {
  const { workFactor, ...task } = taskSchema.parse(JSON.parse(text))
  return { ...task, workFactor }
}

export function passphraseAnswerText(answer: PassphraseAnswer): string {
  return JSON.stringify('bytes' in answer ? { bytes: Buffer.from(answer.bytes).toString('base64') } : answer)
}

/** `undefined` for what is no answer, such as one that was cut. */
export function parsePassphraseAnswer(text: string): PassphraseAnswer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
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
