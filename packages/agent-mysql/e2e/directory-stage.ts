import { createHash } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CaptureFacts, ItemFacts, ItemFailure, Stage, StagedFileFacts } from '@backup-planet/core'

/** A stage that is only a directory, `<directory>/<item>/<name>`, so that a test can look at what a capture writes. */
export class DirectoryStage implements Stage {
  readonly directory: string
  readonly largestFile = Number.MAX_SAFE_INTEGER
  readonly files: StagedFileFacts[] = []
  readonly sealed: ItemFacts[] = []
  readonly failed = new Map<string, ItemFailure>()
  /** Called before a file is created. */
  onFile: (file: { readonly item: string; readonly name: string }) => Promise<void> | void = () => undefined
  /** Called before every block is written; a test slows the stage or fails it here. */
  onBlock: (file: { readonly item: string; readonly name: string }) => Promise<void> | void = () => undefined

  constructor(directory: string) {
    this.directory = directory
  }

  async folder(item: string): Promise<string> {
    const folder = join(this.directory, item)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return folder
  }

  async write(file: { readonly item: string; readonly name: string }, content: AsyncIterable<Uint8Array>): Promise<StagedFileFacts> {
    if (this.sealed.some((facts) => facts.item === file.item)) throw new Error(`item ${file.item} is sealed already`)
    await this.onFile(file)
    const path = join(this.directory, file.item, file.name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const hash = createHash('sha256')
    let size = 0
    const handle = await open(path, 'wx', 0o600)
    try {
      for await (const block of content) {
        await this.onBlock(file)
        hash.update(block)
        size += block.length
        await handle.write(block)
      }
    } finally {
      await handle.close()
    }
    const facts = { ...file, size, sha256: hash.digest('hex') }
    this.files.push(facts)
    return facts
  }

  async adopt(): Promise<StagedFileFacts> {
    throw new Error('the MySQL agent adopts no files')
  }

  async sealItem(facts: ItemFacts): Promise<void> {
    this.sealed.push(facts)
  }

  async failItem(item: string, failure: ItemFailure): Promise<void> {
    this.failed.set(item, failure)
  }

  async seal(facts: CaptureFacts): Promise<void> {
    await writeFile(join(this.directory, 'RESTORE.md'), facts.restoreGuide)
  }
}
