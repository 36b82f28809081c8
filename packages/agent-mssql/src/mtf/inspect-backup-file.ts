import type { OperationOptions } from '@backup-planet/core'
import { BackupFileError, compressed, damaged, foreign } from './backup-file-damage.ts'
import type { BackupFileFacts } from './backup-file-facts.ts'
import { type BackupFileFinding, findingOf } from './backup-file-finding.ts'
import type { BackupFileSource } from './backup-file-source.ts'
import { walkBlocks } from './block-walk.ts'
import { checkCompressedEnd, compressedMagic } from './compressed-backup.ts'
import { doubtsOfSet, missingDescriptions, warningsOfSet } from './doubtful-facts.ts'
import { FileReading } from './file-reading.ts'
import { describeForeign } from './foreign-format.ts'
import { SourceWindow } from './source-window.ts'

export interface BackupFileInspection {
  /** `tape`: readable; `compressed`: by SQL Server, names and LSNs cannot be read; `foreign`: no backup of SQL Server. */
  readonly format: 'tape' | 'compressed' | 'foreign'
  /** As far as the file could be read. */
  readonly facts?: BackupFileFacts
  /** Empty when nothing is wrong. */
  readonly findings: readonly BackupFileFinding[]
}

export interface InspectOptions extends OperationOptions {
  /** Blocks and streams beyond which a file is not read: 4 million when left out, which is more than the largest databases have. */
  readonly mostHeaders?: number
}

const firstBytes = 512

/**
 * Reads what a backup file (.bak, .trn) says of itself, and whether it is whole as far as its headers and checksums tell: pages and log are
 * skipped, so that it takes a few small reads. Bad content never throws, it is found; only `source` and aborting do.
 */
export async function inspectBackupFile(source: BackupFileSource, options: InspectOptions = {}): Promise<BackupFileInspection> {
  const window = new SourceWindow(source, options)
  const begin = source.size === 0 ? Buffer.alloc(0) : await window.bytes(0, Math.min(firstBytes, source.size))
  const magic = begin.toString('latin1', 0, compressedMagic.length)
  if (magic === compressedMagic) return inspectCompressed(window)
  if (!magic.startsWith('TAPE')) return { format: 'foreign', findings: [findingOf(foreign(describeForeign(begin)))] }
  return inspectTape(window, options)
}

/** Throws what is wrong first: `CORRUPTED` with the offset, `UNSUPPORTED` for a compressed file, `INVALID_INPUT` for what is no backup. */
export async function readBackupFile(source: BackupFileSource, options: InspectOptions = {}): Promise<BackupFileFacts> {
  const { format, facts, findings } = await inspectBackupFile(source, options)
  const error = findings.find(({ severity }) => severity === 'error')
  if (error !== undefined) throw new BackupFileError(error.offset ?? 0, error.message, { code: error.code, hint: error.hint })
  if (format === 'compressed') throw compressed()
  if (facts === undefined) throw damaged(0, 'there is no header of the medium')
  return facts
}

async function inspectCompressed(window: SourceWindow): Promise<BackupFileInspection> {
  const error = await checkCompressedEnd(window).then(() => undefined, fileErrorOf)
  const findings = error === undefined ? [] : [findingOf(error)]
  return { format: 'compressed', findings: [...findings, findingOf(compressed(), 'warning')] }
}

async function inspectTape(window: SourceWindow, { mostHeaders }: InspectOptions): Promise<BackupFileInspection> {
  const reading = new FileReading(window)
  const limits = { isEnd: () => reading.mayEnd, ...(mostHeaders === undefined ? {} : { mostHeaders }) }
  const broken = await readAll(reading, walkBlocks(window, limits)).then(() => undefined, fileErrorOf)
  const facts = reading.facts(broken === undefined)
  const error = broken ?? reading.missingEnd()
  const findings = error === undefined ? [] : [findingOf(error)]
  if (facts === undefined) return { format: 'tape', findings }
  for (const { position, offset } of reading.unended) {
    findings.push(findingOf(damaged(offset, `set ${position} has no end, and another one follows`)))
  }
  if (error === undefined) findings.push(...missingDescriptions(facts))
  for (const set of facts.sets) findings.push(...doubtsOfSet(set, reading.begunWith(set)), ...warningsOfSet(set))
  return { format: findings.some(({ code }) => code === 'INVALID_INPUT') ? 'foreign' : 'tape', facts, findings }
}

async function readAll(reading: FileReading, events: ReturnType<typeof walkBlocks>): Promise<void> {
  for await (const event of events) await reading.take(event)
}

function fileErrorOf(error: unknown): BackupFileError {
  if (error instanceof BackupFileError) return error
  throw error
}
