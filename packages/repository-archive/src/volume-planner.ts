/** What the planner needs to know of a file. */
export interface PlannedFile {
  readonly item: string
  readonly name: string
  readonly size: number
}

export interface Volume<File extends PlannedFile> {
  readonly item: string
  readonly files: readonly File[]
  readonly bytes: number
}

/** Collects the files of items into volumes. An item has at most one open volume. */
export class VolumePlanner<File extends PlannedFile> {
  readonly #volumeBytes: number
  readonly #open = new Map<string, { files: File[]; bytes: number }>()

  /** @param volumeBytes 0 gives every file a volume of its own */
  constructor(volumeBytes: number) {
    this.#volumeBytes = volumeBytes
  }

  /** Returns the volumes that are complete by this. A file larger than a volume is a volume alone. */
  add(file: File): readonly Volume<File>[] {
    const closed: Volume<File>[] = []
    const open = this.#open.get(file.item)
    if (open !== undefined && open.bytes + file.size > this.#volumeBytes) closed.push(...this.close(file.item))
    const into = this.#open.get(file.item) ?? { files: [], bytes: 0 }
    into.files.push(file)
    into.bytes += file.size
    this.#open.set(file.item, into)
    if (into.bytes >= this.#volumeBytes) closed.push(...this.close(file.item))
    return closed
  }

  /** The open volume of this item, if there is one. */
  close(item: string): readonly Volume<File>[] {
    const open = this.#open.get(item)
    if (open === undefined) return []
    this.#open.delete(item)
    return [{ item, ...open }]
  }

  /** The volume that frees most. */
  closeLargest(): readonly Volume<File>[] {
    let largest: string | undefined
    let bytes = -1
    for (const [item, open] of this.#open) if (open.bytes > bytes) [largest, bytes] = [item, open.bytes]
    return largest === undefined ? [] : this.close(largest)
  }

  closeAll(): readonly Volume<File>[] {
    return [...this.#open.keys()].flatMap((item) => this.close(item))
  }
}
