import { checkedContent, type Reopenable, type StagedFile } from '@backup-planet/core'
import { encrypted } from './age-content.ts'
import type { ArchiveFormat } from './archive-settings.ts'
import type { ExpectedContent } from './checked-content.ts'
import { compressed, isCompressed } from './compression.ts'
import { type PackedFile, tarOf } from './tar-format.ts'
import { zipOf } from './zip-format.ts'

export interface VolumeContentRequest {
  readonly files: readonly StagedFile[]
  readonly format: ArchiveFormat
  readonly compressionLevel: number
  /** Of every entry. */
  readonly modifiedAt: Date
  /** Nothing is encrypted without. */
  readonly recipients: readonly string[] | undefined
  /** Told of plain bytes as they are read; a retry does not tell again. */
  readonly onBytes: (bytes: number) => void
}

const stagedHint = 'Nothing of this run was committed. Check the disk of the staging directory, remove this stage and run the backup again.'

/** Where compression was already, more of it only costs time. */
const leastEffort = { 'tar.zst': 1, 'tar.gz': 1, zip: 1, files: 0 } as const

/**
 * One volume, made from the staged files on every call of `open`: always the same files, and other bytes each time when it is
 * encrypted. So it announces size and hash only where they are those of a staged file.
 */
export class VolumeContent implements Reopenable {
  readonly size: number | undefined
  readonly sha256: string | undefined
  readonly #request: VolumeContentRequest
  #measurement: ExpectedContent | undefined
  #told = 0

  constructor(request: VolumeContentRequest) {
    this.#request = request
    const [only] = request.files
    const plain = request.format === 'files' && request.recipients === undefined
    this.size = plain ? only?.size : undefined
    this.sha256 = plain ? only?.sha256 : undefined
  }

  /** Of the content that was last read to its end. */
  get measurement(): ExpectedContent | undefined {
    return this.#measurement
  }

  async *open(): AsyncIterable<Uint8Array> {
    this.#measurement = undefined
    const { recipients } = this.#request
    const open = () => (recipients === undefined ? this.#packed() : encrypted(this.#packed(), recipients))
    const content = checkedContent({ open }, 'volume')
    yield* content
    this.#measurement = content.facts()
  }

  #packed(): AsyncIterable<Uint8Array> {
    const { files, format, modifiedAt } = this.#request
    const attempt = { bytes: 0 }
    const sources = files.map((file) => ({ name: file.name, size: file.size, open: () => this.#counted(file, attempt) }))
    const level = this.#level()
    if (format === 'files') return (sources[0] as PackedFile).open()
    if (format === 'zip') return zipOf(sources, modifiedAt, level)
    return compressed(tarOf(sources, modifiedAt), format, level)
  }

  #level(): number {
    const { files, format, compressionLevel } = this.#request
    let incompressible = 0
    let bytes = 0
    for (const file of files) {
      bytes += file.size
      if (isCompressed(file.name)) incompressible += file.size
    }
    return incompressible * 2 > bytes && format !== 'zip' ? leastEffort[format] : compressionLevel
  }

  async *#counted(file: StagedFile, attempt: { bytes: number }): AsyncIterable<Uint8Array> {
    for await (const chunk of checkedContent(stagedContent(file), `staged file ${JSON.stringify(file.name)}`, { hint: stagedHint })) {
      attempt.bytes += chunk.byteLength
      const news = attempt.bytes - this.#told
      if (news > 0) {
        this.#told = attempt.bytes
        this.#request.onBytes(news)
      }
      yield chunk
    }
  }
}

function stagedContent(file: StagedFile): Reopenable {
  return { size: file.size, sha256: file.sha256, open: () => file.open() }
}
