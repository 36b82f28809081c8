import { BackupError, encodeSegment, type OperationOptions, throwIfAborted, type Uploader } from '@backup-planet/core'
import { identityFileName, jobIdentityKey } from './archive-layout.ts'
import type { ResolvedArchiveSettings } from './archive-settings.ts'
import type { ArchiveStorage } from './archive-storage.ts'
import { once, sha256Of } from './byte-streams.ts'
import { collectAtMost, collectStored } from './checked-content.ts'
import { createIdentityFile, openIdentityFile, recipientsOf } from './passphrase-file.ts'

/** An identity file is a few hundred bytes. */
const largestIdentityFile = 64 * 1024

/** What a run encrypts with. */
export interface RunEncryption {
  readonly recipients: readonly string[]
  /** With a passphrase: the file that gives the identity of the recipients to everybody who knows it. */
  readonly identityFile: Uint8Array | undefined
}

/**
 * Who can read. With a passphrase, each job has an identity of its own in `<job>/identity.age`, encrypted with the passphrase, and
 * every backup holds a copy of that file. So a backup needs nothing outside of its folder, and a process derives one key a job.
 */
export class ArchiveKeys {
  readonly #uploader: Uploader
  readonly #settings: ResolvedArchiveSettings
  /** By SHA-256 of the identity file: copies of one need not be opened twice. */
  readonly #opened = new Map<string, Promise<readonly string[]>>()

  constructor(uploader: Uploader, settings: ResolvedArchiveSettings) {
    this.#uploader = uploader
    this.#settings = settings
  }

  /** This host can store, and has nothing to read with. */
  get none(): boolean {
    const { encryption, identities } = this.#settings
    return identities.length === 0 && (encryption === undefined || 'recipients' in encryption)
  }

  /**
   * For a new run; `undefined` when nothing shall be encrypted. Throws `WRONG_CREDENTIALS` when the passphrase is not the one that the
   * job was encrypted with so far.
   */
  async forStoring(job: string, options: OperationOptions): Promise<RunEncryption | undefined> {
    const { encryption } = this.#settings
    if (encryption === undefined) return undefined
    if ('recipients' in encryption) return { recipients: encryption.recipients, identityFile: undefined }
    const key = jobIdentityKey(encodeSegment(job))
    let identityFile = await this.#jobIdentityFile(key, options)
    if (identityFile === undefined) {
      const created = await createIdentityFile(encryption.passphrase, encryption.workFactor, options)
      identityFile = created.bytes
      await upload(this.#uploader, key, identityFile, options)
      this.#opened.set(sha256Of(identityFile), Promise.resolve([created.identity]))
    }
    const identities = await this.#openOfJob(identityFile, encryption.passphrase, key, options)
    return { recipients: await recipientsOf(identities), identityFile }
  }

  /**
   * Whether the next backup of a job could begin. Throws like {@link forStoring}, and changes nothing.
   *
   * @param segment first part of the keys of the job
   */
  async checkJob(segment: string, options: OperationOptions): Promise<void> {
    const { encryption } = this.#settings
    if (encryption === undefined || !('passphrase' in encryption)) return
    const key = jobIdentityKey(segment)
    const identityFile = await this.#jobIdentityFile(key, options)
    if (identityFile !== undefined) await this.#openOfJob(identityFile, encryption.passphrase, key, options)
  }

  /** The identities that this host has for a backup. Throws `WRONG_CREDENTIALS` when the passphrase does not fit and nothing else could. */
  async forReading({ identity, folder }: ArchiveStorage, options: OperationOptions): Promise<readonly string[]> {
    const { encryption, identities } = this.#settings
    if (identity === undefined) return identities
    const passphrase = encryption !== undefined && 'passphrase' in encryption ? encryption.passphrase : undefined
    if (passphrase === undefined) {
      if (identities.length > 0) return identities
      throw new BackupError('no passphrase for this encrypted backup', {
        code: 'WRONG_CREDENTIALS',
        hint: 'Set encryption.passphrase of this repository to the passphrase that the backup was stored with.',
      })
    }
    try {
      const known = this.#opened.get(identity.sha256)
      if (known !== undefined) return [...(await known), ...identities]
      const what = `${folder}/${identity.key}`
      const object = this.#uploader.download(what, undefined, { signal: options.signal })
      return [
        ...(await this.#open(await collectStored(object, identity, largestIdentityFile, what), passphrase, what, options)),
        ...identities,
      ]
    } catch (error) {
      if (identities.length > 0 && BackupError.is(error) && error.code === 'WRONG_CREDENTIALS') return identities
      throw error
    }
  }

  async #jobIdentityFile(key: string, options: OperationOptions): Promise<Uint8Array | undefined> {
    if ((await this.#uploader.stat(key, { signal: options.signal })) === undefined) return undefined
    return collectAtMost(this.#uploader.download(key, undefined, { signal: options.signal }), largestIdentityFile, key)
  }

  #openOfJob(file: Uint8Array, passphrase: string, key: string, options: OperationOptions): Promise<readonly string[]> {
    return this.#open(file, passphrase, key, options).catch((error: unknown) => {
      throw withStoringHint(error, key)
    })
  }

  /** Who asks while another opens the same file waits for that, and opens it alone when the other one was aborted. */
  async #open(file: Uint8Array, passphrase: string, what: string, { signal }: OperationOptions): Promise<readonly string[]> {
    const hash = sha256Of(file)
    for (;;) {
      throwIfAborted(signal, `opening ${what}`)
      const earlier = this.#opened.get(hash)
      if (earlier === undefined) return this.#opening(hash, openIdentityFile(file, passphrase, what, { signal }))
      try {
        return await earlier
      } catch (error) {
        if (!BackupError.is(error) || error.code !== 'ABORTED') throw error
      }
    }
  }

  /** A wrong passphrase stays wrong, and a damaged file damaged; anything else may go better the next time. */
  #opening(hash: string, opening: Promise<readonly string[]>): Promise<readonly string[]> {
    const kept = opening.catch((error: unknown) => {
      if (!BackupError.is(error) || (error.code !== 'WRONG_CREDENTIALS' && error.code !== 'CORRUPTED')) this.#opened.delete(hash)
      throw error
    })
    this.#opened.set(hash, kept)
    return kept
  }
}

async function upload(uploader: Uploader, key: string, bytes: Uint8Array, options: OperationOptions): Promise<void> {
  const content = { size: bytes.byteLength, sha256: sha256Of(bytes), open: () => once(bytes) }
  await uploader.upload(key, content, { signal: options.signal })
}

function withStoringHint(error: unknown, key: string): unknown {
  if (!BackupError.is(error)) return error
  const hint =
    error.code === 'WRONG_CREDENTIALS'
      ? `Set encryption.passphrase to the passphrase that this job was encrypted with so far. If it was changed on purpose, remove the object ${key}: the next backup begins with a new one, and older backups keep the passphrase they were stored with.`
      : `Put the ${identityFileName} of the newest backup of this job in the place of ${key}, or remove ${key}: the next backup begins with a new one. Existing backups have a copy each and do not need it.`
  return new BackupError(error.message, { code: error.code, hint, cause: error })
}
