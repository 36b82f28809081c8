import type { OperationOptions } from '@backup-planet/core'
import { type IndexedPack, indexJson } from '../format/index-file.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { writeSealedJson } from '../repository-objects.ts'

/**
 * restic puts 50,000 into one. Fewer, because its text lies in memory several times while it is written; and what a killed run had sent
 * is found sooner.
 */
export const blobsPerIndex = 10_000

/** Collects packs that are stored and writes them down in index files. A pack that is in none is found by its header only. */
export class IndexWriter {
  readonly #repository: OpenRepository
  readonly #before: () => Promise<void>
  readonly #written: StorageId[] = []
  #packs: IndexedPack[] = []
  #blobs = 0

  /** @param before every file; throws where none may be written any more, such as without a lock: an index of packs that others have removed would mislead everybody */
  constructor(repository: OpenRepository, before: () => Promise<void> = async () => undefined) {
    this.#repository = repository
    this.#before = before
  }

  /** Of the index files that were written. */
  get written(): readonly StorageId[] {
    return this.#written
  }

  add({ id, blobs }: IndexedPack): void {
    this.#packs.push({ id, blobs })
    this.#blobs += blobs.length
  }

  get full(): boolean {
    return this.#blobs >= blobsPerIndex
  }

  /** Writes what was added since the last time. Packs of an attempt that fails stay for the next. */
  async write(options: OperationOptions): Promise<void> {
    if (this.#packs.length === 0) return
    const packs = this.#packs
    this.#packs = []
    this.#blobs = 0
    try {
      await this.#before()
      this.#written.push(await writeSealedJson(this.#repository, 'index', indexJson(packs), options))
    } catch (error) {
      for (const pack of packs) this.add(pack)
      throw error
    }
  }
}
