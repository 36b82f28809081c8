import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { discard } from '@backup-planet/core/memory'
import { seal, unseal } from './crypto/sealed-bytes.ts'
import { isStorageId, type StorageId } from './format/storage-id.ts'
import type { OpenRepository } from './repository-access.ts'

/**
 * Manifests that were read before, so that a listing does not read them again. Sealed with the repository's key: who can read the
 * cache and has no password learns nothing. Whatever is wrong with it counts as not being there.
 */
export class ManifestCache {
  readonly #directory: string | undefined
  readonly #repository: OpenRepository

  constructor(directory: string | undefined, repository: OpenRepository) {
    const id = repository.config?.id
    this.#directory = directory === undefined || id === undefined || !isStorageId(id) ? undefined : join(directory, id)
    this.#repository = repository
  }

  async read(snapshot: StorageId): Promise<string | undefined> {
    if (this.#directory === undefined) return undefined
    try {
      const plaintext = unseal(this.#repository.key, await readFile(join(this.#directory, snapshot)))
      // The name is inside too, so that two cached files that were swapped are not taken for each other.
      if (plaintext === undefined || plaintext.toString('latin1', 0, 64) !== snapshot) return undefined
      return plaintext.toString('utf8', 64)
    } catch {
      return undefined
    }
  }

  async write(snapshot: StorageId, manifest: string): Promise<void> {
    if (this.#directory === undefined) return
    const part = join(this.#directory, `.${randomBytes(6).toString('hex')}.part`)
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 })
      const plaintext = Buffer.from(snapshot + manifest, 'utf8')
      const sealed = seal(this.#repository.key, plaintext)
      discard(plaintext)
      await writeFile(part, sealed, { mode: 0o600, flag: 'wx' })
      discard(sealed)
      await rename(part, join(this.#directory, snapshot))
    } catch {
      await rm(part, { force: true }).catch(() => undefined)
    }
  }

  /** Lets go of manifests whose snapshots are gone, and of what was being written when a process was killed. */
  async keepOnly(snapshots: ReadonlySet<StorageId>): Promise<void> {
    if (this.#directory === undefined) return
    try {
      for (const name of await readdir(this.#directory)) {
        if (name.endsWith('.part') || (isStorageId(name) && !snapshots.has(name))) await rm(join(this.#directory, name), { force: true })
      }
    } catch {
      // Nothing is cached.
    }
  }
}
