import type { Backup, ManifestFile, OperationOptions, Progress, Repository, RestoredFileFacts } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { assertSafePath } from '../naming/safe-path.ts'

/** Names one file of a backup. */
export function fileKey(file: { readonly item: string; readonly name: string }): string {
  return JSON.stringify([file.item, file.name])
}

/**
 * The restorable files of a backup, as its inventory says; failed items are left out.
 * Throws `CORRUPTED` when a name is there twice or an item names no files, `INVALID_INPUT` for a name that could leave its folder.
 */
export async function restorableFiles(repository: Repository, backup: Backup, options: OperationOptions): Promise<RestoredFileFacts[]> {
  const files: RestoredFileFacts[] = []
  const known = new Set<string>()
  for (const item of await repository.inventory(backup, options)) {
    if (item.failure !== undefined || failureOf(backup, item.item) !== undefined) continue
    if (item.files === undefined) throw damaged(backup, `item "${item.item}" names no files`)
    for (const { name, size, sha256 } of item.files satisfies readonly ManifestFile[]) {
      assertSafePath(name, `file of item "${item.item}"`)
      const facts = { backup: backup.id, item: item.item, name, size, sha256 }
      if (known.has(fileKey(facts))) throw damaged(backup, `file ${item.item}/${name} is there twice`)
      known.add(fileKey(facts))
      files.push(facts)
    }
  }
  return files
}

export interface IncomingFile {
  readonly facts: RestoredFileFacts
  readonly content: AsyncIterable<Uint8Array>
}

/**
 * The wanted files of one backup as the repository gives them, each exactly once; the content fails with `CORRUPTED` as soon as
 * it is longer than the inventory says. Throws `CORRUPTED` at the end when one did not come.
 */
export async function* readFiles(
  repository: Repository,
  backup: Backup,
  wanted: readonly RestoredFileFacts[],
  options: OperationOptions,
): AsyncGenerator<IncomingFile, void, void> {
  const missing = new Map(wanted.map((facts) => [fileKey(facts), facts]))
  if (missing.size === 0) return
  const { onProgress } = options
  // Bytes are counted here, once for every repository.
  const relay =
    onProgress && ((progress: Progress) => (progress.type === 'bytes' && progress.phase === 'read' ? undefined : onProgress(progress)))
  const selected = new Set(missing.keys())
  for await (const file of repository.read(backup, (candidate) => selected.has(fileKey(candidate)), { ...options, onProgress: relay })) {
    const facts = missing.get(fileKey(file))
    if (facts === undefined) continue
    missing.delete(fileKey(file))
    yield { facts, content: counted(file.content, facts, onProgress) }
  }
  const [first] = missing.values()
  if (first !== undefined) throw damaged(backup, `${missing.size} files are missing, ${first.item}/${first.name} first`)
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  facts: RestoredFileFacts,
  onProgress: OperationOptions['onProgress'],
): AsyncGenerator<Uint8Array, void, void> {
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > facts.size) throw notAsStored(facts, `it has at least ${size} bytes instead of ${facts.size}`)
    onProgress?.({ type: 'bytes', phase: 'read', item: facts.item, bytes: chunk.byteLength })
    yield chunk
  }
}

/** Throws `CORRUPTED` unless the written file is what the inventory promises. */
export function assertAsStored(facts: RestoredFileFacts, written: { readonly size: number; readonly sha256: string }): void {
  if (written.size !== facts.size) throw notAsStored(facts, `it has ${written.size} bytes instead of ${facts.size}`)
  if (written.sha256 !== facts.sha256) throw notAsStored(facts, `its SHA-256 is ${written.sha256} instead of ${facts.sha256}`)
}

export function failureOf(backup: Backup, item: string): string | undefined {
  return backup.items.find((candidate) => candidate.item === item && candidate.failure !== undefined)?.failure?.message
}

function notAsStored(facts: RestoredFileFacts, what: string): BackupError {
  return new BackupError(`file ${facts.item}/${facts.name} of backup ${facts.backup} is not as it was stored: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Nothing of this file was used. Run verify with --read-data to see what else is damaged, and restore from another backup.',
  })
}

function damaged(backup: Backup, what: string): BackupError {
  return new BackupError(`backup ${backup.id} is damaged: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Run verify to see what else is damaged, and use another backup.',
  })
}
