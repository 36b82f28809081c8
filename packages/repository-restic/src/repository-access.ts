import { randomBytes } from 'node:crypto'
import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import { createChunkerPolynomial } from './crypto/irreducible-polynomial.ts'
import { createMasterKey, type MasterKey } from './crypto/master-key.ts'
import type { KeyDerivationCost } from './crypto/password-key.ts'
import { seal, unseal } from './crypto/sealed-bytes.ts'
import { configJson, parseConfig, type RepositoryConfig } from './format/repository-config.ts'
import { type StorageId, storageIdOf } from './format/storage-id.ts'
import { openMasterKey, sealedKeyFile } from './repository-keys.ts'
import { below, objectKey, putObject, readObject } from './repository-objects.ts'
import { damaged, notInitialized } from './restic-errors.ts'

const configKey = 'config'

/** A repository whose password was right. */
export interface OpenRepository {
  readonly uploader: Uploader
  readonly key: MasterKey
  /** The key file that the password opened. */
  readonly keyId: StorageId
  /** `undefined` when it is damaged: backups can be read without it, nothing may be written. */
  readonly config: RepositoryConfig | undefined
  readonly configFailure?: BackupError | undefined
}

/**
 * Opens the keys with a password, then the config. Throws `NOT_FOUND` when there is no repository, `WRONG_CREDENTIALS`,
 * `CORRUPTED` when no key is readable, and `UNSUPPORTED` for a format that is not known.
 */
export async function openRepository(uploader: Uploader, password: string, options: OperationOptions): Promise<OpenRepository> {
  const { key, keyId } = await openMasterKey(uploader, password, options)
  try {
    return { uploader, key, keyId, config: await readConfig(uploader, key, options) }
  } catch (error) {
    if (!BackupError.is(error) || !(error.code === 'CORRUPTED' || error.code === 'NOT_FOUND')) throw error
    return { uploader, key, keyId, config: undefined, configFailure: error }
  }
}

/** The config for writing. Throws `CORRUPTED` when it is damaged, and `UNSUPPORTED` for version 1, which is only read. */
export function writableConfig({ config, configFailure, uploader }: OpenRepository): RepositoryConfig {
  if (config === undefined) throw configFailure ?? notInitialized(uploader.destination)
  if (config.version === 2) return config
  throw new BackupError(`the repository in ${uploader.destination} has format version 1, which is read and not written`, {
    code: 'UNSUPPORTED',
    hint: 'Upgrade it with: restic migrate upgrade_repo_v2. Or use a new repository, and copy the backups into it.',
  })
}

async function readConfig(uploader: Uploader, key: MasterKey, options: OperationOptions): Promise<RepositoryConfig> {
  const plaintext = unseal(key, await readObject(uploader, configKey, options))
  if (plaintext === undefined) throw damaged(configKey, 'it was changed, or is of another repository: its authentication code is wrong')
  let config: ReturnType<typeof parseConfig>
  try {
    config = parseConfig(JSON.parse(plaintext.toString('utf8')))
  } catch (error) {
    throw damaged(configKey, `it cannot be read: ${(error as Error).message}`)
  }
  const { version } = config
  if (version === 1 || version === 2) return { ...config, version }
  throw new BackupError(`the repository in ${uploader.destination} has format version ${version}`, {
    code: 'UNSUPPORTED',
    hint: 'Update Backup Planet on this host; this release knows the versions 1 and 2.',
  })
}

export interface InitializeRequest {
  readonly password: string
  /** Of another repository, so that both cut files at the same places and copies between them share what they have in common. */
  readonly chunkerPolynomial?: string | undefined
  /** Of scrypt; what restic itself chooses when left out. */
  readonly cost?: KeyDerivationCost | undefined
}

/**
 * Creates a repository of format version 2: the key first and the config last, so that a half-made one is none. Throws
 * `ALREADY_EXISTS` when there is one.
 */
export async function initializeRepository(uploader: Uploader, request: InitializeRequest, options: OperationOptions): Promise<void> {
  if ((await uploader.stat(configKey, below(options))) !== undefined) throw alreadyThere(uploader, 'a repository')
  for await (const { key } of uploader.list('keys/', below(options))) throw alreadyThere(uploader, key)
  const key = createMasterKey()
  const file = await sealedKeyFile(key, request.password, request.cost)
  const keyId = storageIdOf(file)
  const config: RepositoryConfig = {
    version: 2,
    id: randomBytes(32).toString('hex'),
    chunkerPolynomial: request.chunkerPolynomial ?? createChunkerPolynomial(),
  }
  const sealed = seal(key, Buffer.from(configJson(config), 'utf8'))
  try {
    await putObject(uploader, objectKey('keys', keyId), file, keyId, options)
    await assertOnlyKey(uploader, keyId, options)
    await putObject(uploader, configKey, sealed, storageIdOf(sealed), options)
  } catch (error) {
    await removeKeyWithoutConfig(uploader, keyId).catch(() => undefined)
    throw error
  }
}

/** So that the creation can be repeated. Not where a config is: it may be ours, and only the answer was lost. */
async function removeKeyWithoutConfig(uploader: Uploader, keyId: StorageId): Promise<void> {
  const options = { signal: AbortSignal.timeout(30_000) }
  if ((await uploader.stat(configKey, options)) === undefined) await uploader.remove(objectKey('keys', keyId), options)
}

/** Of two who create a repository at once, at least one sees the key of the other, and gives way: a config fits one of them only. */
async function assertOnlyKey(uploader: Uploader, keyId: StorageId, options: OperationOptions): Promise<void> {
  const own = objectKey('keys', keyId)
  for await (const { key } of uploader.list('keys/', below(options))) {
    if (key === own) continue
    await uploader.remove(own, below(options))
    throw alreadyThere(uploader, key)
  }
}

function alreadyThere(uploader: Uploader, what: string): BackupError {
  return new BackupError(`there is already ${what} in ${uploader.destination}`, {
    code: 'ALREADY_EXISTS',
    hint: 'Nothing was changed. Use it with its password, or give another destination. What a creation that was cut left is only a file below keys, which may be removed by hand.',
  })
}
