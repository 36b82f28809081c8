import { encodeSegment, type StagedFile } from '@backup-planet/core'
import { archiveSuffix, encryptedSuffix, ObjectNames } from './archive-layout.ts'
import type { ArchiveFormat } from './archive-settings.ts'

/** Names for the volumes of one backup: none is given twice, nor one that an earlier attempt has used. */
export class VolumeNames {
  readonly #names = new ObjectNames()
  readonly #format: ArchiveFormat
  /** With the format `files`: the folder of each item. */
  readonly #folders = new Map<string, string>()

  constructor(format: ArchiveFormat) {
    this.#format = format
  }

  reserve(key: string): void {
    this.#names.reserve(key)
  }

  /** With the format `files`, an encrypted object is numbered, since its name would tell what the encryption hides. */
  allocate(item: string, sequence: number, [file]: readonly StagedFile[], encrypted: boolean): string {
    if (this.#format !== 'files') return this.#names.allocate(encodeSegment(item), archiveSuffix(this.#format, encrypted))
    const folder = this.#folders.get(item) ?? this.#names.allocate(encodeSegment(item), '')
    this.#folders.set(item, folder)
    if (file === undefined) throw new TypeError('a volume without files')
    return encrypted
      ? this.#names.allocate(`${folder}/${String(sequence).padStart(6, '0')}`, encryptedSuffix)
      : this.#names.allocate(`${folder}/${file.name.split('/').map(encodeSegment).join('/')}`, '')
  }
}
