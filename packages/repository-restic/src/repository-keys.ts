import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import { type MasterKey, masterKeyJson, parseMasterKey } from './crypto/master-key.ts'
import { type KeyDerivationCost, keyDerivationCost, passwordKey } from './crypto/password-key.ts'
import { seal, unseal } from './crypto/sealed-bytes.ts'
import { type KeyFile, keyFileJson, parseKeyFile } from './format/key-file.ts'
import type { StorageId } from './format/storage-id.ts'
import { userName } from './process-identity.ts'
import type { OpenRepository } from './repository-access.ts'
import { below, listObjects, objectKey, readNamedObject, writeNamedObject } from './repository-objects.ts'
import { damaged, notInitialized, wrongPassword } from './restic-errors.ts'

/** A key of a repository: one password that opens it. */
export interface RepositoryKey {
  readonly id: StorageId
  readonly hostname: string
  readonly username: string
  /** ISO 8601. */
  readonly created: string
  /** The one that this process opened the repository with. */
  readonly current: boolean
}

/** Each costs an attempt at the password a tenth of a second; restic tries as many. */
const mostKeys = 20

/**
 * Tries the password on every key. Each attempt costs the same whether it fits or not. Throws `WRONG_CREDENTIALS`, `NOT_FOUND`
 * when there is no repository, and `CORRUPTED` when no key can be read.
 */
export async function openMasterKey(
  uploader: Uploader,
  password: string,
  options: OperationOptions,
): Promise<{ readonly key: MasterKey; readonly keyId: StorageId }> {
  const ids: StorageId[] = []
  for await (const { id } of listObjects(uploader, 'keys', options)) ids.push(id)
  if (ids.length === 0) throw await noKeys(uploader, options)
  let failure: BackupError | undefined
  let tried = 0
  for (const id of ids.sort().slice(0, mostKeys)) {
    try {
      const key = await openKey(uploader, id, password, options)
      tried++
      if (key !== undefined) return { key, keyId: id }
    } catch (error) {
      if (!BackupError.is(error)) throw error
      if (error.code === 'CORRUPTED') failure ??= error
      // Removed by somebody between the listing and now.
      else if (error.code !== 'NOT_FOUND') throw error
    }
  }
  if (tried === 0 && failure !== undefined) throw failure
  throw wrongPassword(uploader.destination, { keys: ids.length, tried, damaged: failure })
}

async function noKeys(uploader: Uploader, options: OperationOptions): Promise<BackupError> {
  if ((await uploader.stat('config', below(options))) === undefined) return notInitialized(uploader.destination)
  return damaged('keys', 'there is a config and no key: without a key file nothing of the repository can be read')
}

/** The master key; `undefined` when the password is not that of this key. Throws `CORRUPTED`. */
async function openKey(uploader: Uploader, id: StorageId, password: string, options: OperationOptions): Promise<MasterKey | undefined> {
  const file = await readKeyFile(uploader, id, options)
  const derived = await passwordKey(password, file).catch((error: Error) => {
    throw damaged(objectKey('keys', id), `it asks for what scrypt refuses: ${error.message}`)
  })
  const plaintext = unseal(derived, file.data)
  if (plaintext === undefined) return undefined
  try {
    return parseMasterKey(JSON.parse(plaintext.toString('utf8')))
  } catch {
    throw damaged(objectKey('keys', id), 'the master key in it cannot be read')
  }
}

async function readKeyFile(uploader: Uploader, id: StorageId, options: OperationOptions): Promise<KeyFile> {
  const bytes = await readNamedObject(uploader, 'keys', id, options)
  try {
    return parseKeyFile(bytes.toString('utf8'))
  } catch (error) {
    throw damaged(objectKey('keys', id), `it is no key that can be used: ${(error as Error).message}`)
  }
}

/** The bytes of a new key file for a password. */
export async function sealedKeyFile(key: MasterKey, password: string, cost: KeyDerivationCost = keyDerivationCost): Promise<Buffer> {
  if (password === '') throw emptyPassword()
  const salt = randomBytes(64)
  const derived = await passwordKey(password, { ...cost, salt })
  const file: KeyFile = {
    created: new Date().toISOString(),
    username: userName(),
    hostname: hostname(),
    kdf: 'scrypt',
    ...cost,
    salt,
    data: seal(derived, Buffer.from(masterKeyJson(key), 'utf8')),
  }
  return Buffer.from(keyFileJson(file), 'utf8')
}

/** Oldest first; the errors of those whose files are damaged apart. */
export async function listKeys(
  { uploader, keyId }: OpenRepository,
  options: OperationOptions,
): Promise<{ readonly keys: readonly RepositoryKey[]; readonly damaged: readonly BackupError[] }> {
  const keys: RepositoryKey[] = []
  const failures: BackupError[] = []
  for await (const { id } of listObjects(uploader, 'keys', options)) {
    try {
      const { hostname: host, username, created } = await readKeyFile(uploader, id, options)
      keys.push({ id, hostname: host, username, created, current: id === keyId })
    } catch (error) {
      if (!BackupError.is(error)) throw error
      if (error.code === 'CORRUPTED') failures.push(error)
      else if (error.code !== 'NOT_FOUND') throw error
    }
  }
  keys.sort((left, right) => (left.created < right.created ? -1 : 1))
  return { keys, damaged: failures }
}

export async function addKey({ uploader, key }: OpenRepository, password: string, options: OperationOptions): Promise<StorageId> {
  return writeNamedObject(uploader, 'keys', await sealedKeyFile(key, password), options)
}

/**
 * Throws `CONFLICT` for the key in use, without which the next run could not open the repository, and when that one is gone: then
 * nobody knows whether any other is left. Throws `NOT_FOUND`, and `INVALID_INPUT` for the beginning of several.
 */
export async function removeKey({ uploader, keyId }: OpenRepository, id: string, options: OperationOptions): Promise<StorageId> {
  const ids: StorageId[] = []
  for await (const found of listObjects(uploader, 'keys', options)) ids.push(found.id)
  const matching = /^[0-9a-f]+$/.test(id) ? ids.filter((found) => found.startsWith(id)) : []
  const [only] = matching
  if (only === undefined || matching.length > 1) {
    throw new BackupError(
      `${matching.length === 0 ? 'no key' : `${matching.length} keys`} of ${uploader.destination} begin with ${JSON.stringify(id)}`,
      {
        code: matching.length === 0 ? 'NOT_FOUND' : 'INVALID_INPUT',
        hint: 'Look at the ids with: backup-planet key list.',
      },
    )
  }
  if (only === keyId) {
    throw new BackupError(`key ${only.slice(0, 8)} is the one that this repository is opened with`, {
      code: 'CONFLICT',
      hint: 'Open the repository with the password of another key, and remove this one then; or change its password with: backup-planet key passwd.',
    })
  }
  if (!ids.includes(keyId)) {
    throw new BackupError(`key ${keyId.slice(0, 8)}, which this repository was opened with, is gone from ${uploader.destination}`, {
      code: 'CONFLICT',
      hint: 'Somebody changed the password meanwhile; nothing was removed. Open the repository with a password that is known to open it, and try again.',
    })
  }
  await uploader.remove(objectKey('keys', only), below(options))
  return only
}

/** The new key is there and opens before the old one goes. */
export async function changePassword(repository: OpenRepository, password: string, options: OperationOptions): Promise<StorageId> {
  const id = await addKey(repository, password, options)
  const opened = await openKey(repository.uploader, id, password, options)
  if (opened === undefined) throw damaged(objectKey('keys', id), 'the new key does not open with the new password')
  await repository.uploader.remove(objectKey('keys', repository.keyId), below(options))
  return id
}

function emptyPassword(): BackupError {
  return new BackupError('the password of a repository must not be empty', {
    code: 'INVALID_SETTINGS',
    hint: 'Choose a password that nobody can guess, and keep it where the backups are not: without it they cannot be read.',
  })
}
