import type { Backup, ManifestItem } from '@backup-planet/core'
import type { BackupTool } from './backup-tool.ts'

/** The one item of a physical backup: all of the server is restored together. */
export const instanceItem = 'instance'

/** Files of the item, in order: put together again they are the stream as the tool wrote it. */
export function partName(format: BackupTool['format'], index: number): string {
  return `${instanceItem}.${format}.${String(index).padStart(5, '0')}`
}

/** What the manifest keeps of the item. A type, since an interface is no plain JSON. */
export type InstanceFacts = {
  readonly format: BackupTool['format']
  /** Such as `mariadb-backup 10.11.6`. */
  readonly tool: string
  /** `0` for a full. */
  readonly fromLsn: string
  readonly toLsn: string
  readonly lastLsn: string
  /** Of the data directory: another one has pages that no differential here would bring. */
  readonly datadir: string
  /** Of what the stream holds. */
  readonly streamedFiles: number
}

/** Whether a full was made by `mode: physical`. */
export function isPhysical(backup: Pick<Backup, 'facts'>): boolean {
  return backup.facts.mode === 'physical'
}

/** The facts of the item as far as they can be trusted; `undefined` where the backup holds no such item. */
export function instanceFacts(backup: Pick<Backup, 'items' | 'facts'>): InstanceFacts | undefined {
  const facts = instanceOf(backup)?.facts
  if (!isPhysical(backup) || facts === undefined) return undefined
  const { format, tool, fromLsn, toLsn, lastLsn, datadir, streamedFiles } = facts
  if (format !== 'mbstream' && format !== 'xbstream') return undefined
  if (!isLsn(fromLsn) || !isLsn(toLsn) || !isLsn(lastLsn)) return undefined
  return {
    format,
    tool: typeof tool === 'string' ? tool : '',
    fromLsn,
    toLsn,
    lastLsn,
    datadir: typeof datadir === 'string' ? datadir : '',
    streamedFiles: typeof streamedFiles === 'number' ? streamedFiles : 0,
  }
}

export function instanceOf(backup: Pick<Backup, 'items'>): ManifestItem | undefined {
  return backup.items.find(({ item, failure }) => item === instanceItem && failure === undefined)
}

function isLsn(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/.test(value)
}
