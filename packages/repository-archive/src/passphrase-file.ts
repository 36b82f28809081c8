import { BackupError, type OperationOptions } from '@backup-planet/core'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { identityLines } from './archive-settings.ts'
import { corrupted } from './checked-content.ts'
import { inProcess } from './passphrase-process-start.ts'

export interface NewIdentityFile {
  readonly identity: string
  readonly bytes: Uint8Array
}

/** A new identity, and the file with it as `age-keygen` writes it, encrypted with the passphrase. */
export async function createIdentityFile(
  passphrase: string,
  workFactor: number | undefined,
  { signal }: OperationOptions,
): Promise<NewIdentityFile> {
  const identity = await generateX25519Identity()
  const text = `# public key: ${await identityToRecipient(identity)}\n${identity}\n`
  const answer = await inProcess({ task: 'encrypt', passphrase, workFactor, bytes: new TextEncoder().encode(text) }, { signal })
  if ('failure' in answer) throw new TypeError(`the identity could not be encrypted: ${answer.failure}`)
  return { identity, bytes: answer.bytes }
}

/**
 * The identities in a file that `createIdentityFile`, or `age-keygen | age --passphrase`, has written. Throws `WRONG_CREDENTIALS`
 * for another passphrase, `CORRUPTED` for anything else that is wrong with it.
 */
export async function openIdentityFile(
  bytes: Uint8Array,
  passphrase: string,
  what: string,
  { signal }: OperationOptions,
): Promise<readonly string[]> {
  const answer = await inProcess({ task: 'decrypt', passphrase, workFactor: undefined, bytes }, { signal })
  if ('failure' in answer) {
    if (!answer.failure.includes('no identity matched')) throw corrupted(`${what} cannot be decrypted: ${answer.failure}`)
    throw new BackupError(`the passphrase does not open ${what}`, {
      code: 'WRONG_CREDENTIALS',
      hint: 'Set encryption.passphrase of this repository to the passphrase that the backup was stored with.',
    })
  }
  const identities = identityLines(new TextDecoder().decode(answer.bytes))
  try {
    if (identities.length === 0) throw new TypeError('it is empty')
    await recipientsOf(identities)
  } catch (error) {
    // The message could hold what is secret.
    throw corrupted(`${what} holds no age identity${error instanceof TypeError ? `: ${error.message}` : ''}`)
  }
  return identities
}

export function recipientsOf(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map((identity) => identityToRecipient(identity)))
}
