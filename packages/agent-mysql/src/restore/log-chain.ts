import type { Backup, Problem } from '@backup-planet/core'
import * as z from 'zod'
import { compareBinlogNames, nextBinlogName } from '../binlog/binlog-name.ts'
import { binlogItem } from '../dump-layout.ts'
import { recordedIdentity } from '../log/log-continuation.ts'
import { beginningOfBinlog } from '../mysql-position.ts'

const offset = z.int().min(0)

/** What a restore needs to know of a file in a log backup; the capture writes more. */
export const fileFacts = z.object({
  file: z.string().min(1),
  binlog: z.string().min(1),
  from: offset,
  to: offset,
  bytes: offset,
  serverVersion: z.string().default(''),
  identity: z.string().optional(),
  transactions: offset.default(0),
  firstAt: z.string().optional(),
  lastAt: z.string().optional(),
  gtidBefore: z.string().optional(),
  gtidAfter: z.string().optional(),
})

const logItemFacts = z.object({ binlogs: z.array(fileFacts) })

/** One file of a log backup with what of it is replayed. */
export interface LogFile extends z.output<typeof fileFacts> {
  readonly backup: string
  /** Offsets on the server between which everything is replayed; `end` exclusive. */
  readonly begin: number
  readonly end: number
}

/** A place in the binlogs of one server. */
export interface BinlogPlace {
  readonly file: string
  readonly offset: number
}

export interface LogChain {
  /** In the order of the replay. */
  readonly files: readonly LogFile[]
  /** Where the full backup was made. */
  readonly begin: BinlogPlace | undefined
  readonly problems: readonly Problem[]
}

/** Joins the files of all logs behind a full backup; a problem names the first place where something is missing or does not fit. */
export function readLogChain(full: Backup, logs: readonly Backup[]): LogChain {
  const begin = placeOf(full)
  if (begin === undefined) {
    return broken(
      [],
      begin,
      `full backup ${full.id} names no position in a binlog`,
      'Logs can follow only a full backup of a server that writes a binlog.',
    )
  }
  const files: LogFile[] = []
  let place = begin
  let identity = recordedIdentity(full)
  for (const log of logs) {
    const added = filesOf(log, place, identity)
    if (typeof added === 'string') return broken(files, begin, added, gapHint)
    files.push(...added.files)
    place = added.place
    identity = recordedIdentity(log) ?? (added.files.at(-1)?.binlog === place.file ? added.files.at(-1)?.identity : undefined)
  }
  return { files, begin, problems: [] }
}

const gapHint = 'Restore to a moment before it, or from a full backup that was made later; the windows of the job show what can be reached.'

function broken(files: readonly LogFile[], begin: BinlogPlace | undefined, message: string, hint: string): LogChain {
  return { files, begin, problems: [{ severity: 'error', code: 'INCONSISTENT', item: binlogItem, message, hint }] }
}

/** The files of one log that continue from a place, and the place that they lead to; text that says what is missing. */
function filesOf(log: Backup, begin: BinlogPlace, identity: string | undefined): { files: LogFile[]; place: BinlogPlace } | string {
  const from = placeIn(log.from?.value)
  const to = placeOf(log)
  const item = log.items.find((candidate) => candidate.item === binlogItem)
  if (item === undefined || item.failure !== undefined) return `log backup ${log.id} holds no binlogs`
  const facts = logItemFacts.safeParse(item.facts)
  if (from === undefined || to === undefined || !facts.success) return `log backup ${log.id} does not say which binlogs it holds`
  if (isAfter(from, begin)) return `between ${text(begin)} and ${text(from)}, where log backup ${log.id} begins, changes are missing`
  let place = begin
  const files: LogFile[] = []
  for (const found of facts.data.binlogs) {
    // Logs go on where logs ended, also when a full was made meanwhile: then the first of them begin before it.
    if (isAfter(begin, { file: found.binlog, offset: found.to })) continue
    const next = continued(found, place, files.at(-1))
    if (next === undefined) return `between ${text(place)} and ${found.file} of log backup ${log.id} changes are missing`
    if (
      place === begin &&
      identity !== undefined &&
      found.identity !== undefined &&
      found.binlog === begin.file &&
      found.identity !== identity
    )
      return `${found.file} of log backup ${log.id} is another binlog than the one in which ${text(begin)} lies: the server began its binlogs anew`
    const end = found.binlog === to.file ? Math.min(found.to, to.offset) : found.to
    files.push({ ...found, backup: log.id, begin: next, end })
    place = { file: found.binlog, offset: end }
  }
  if (!leadsTo(place, to)) return `log backup ${log.id} ends at ${text(place)}, and not at ${text(to)} as it says`
  return { files, place: to }
}

/** Offset in the file at which the replay goes on; `undefined` when something lies between. */
function continued(found: z.output<typeof fileFacts>, place: BinlogPlace, before: LogFile | undefined): number | undefined {
  if (found.binlog === place.file) return found.from <= place.offset && found.to >= place.offset ? place.offset : undefined
  return before !== undefined && found.binlog === nextBinlogName(place.file) && found.from <= firstOffset ? found.from : undefined
}

function leadsTo(place: BinlogPlace, to: BinlogPlace): boolean {
  return isSame(place, to) || (to.file === nextBinlogName(place.file) && to.offset === firstOffset)
}

const firstOffset = Number(beginningOfBinlog)

function placeOf(backup: Backup): BinlogPlace | undefined {
  return placeIn(backup.position?.value)
}

export function placeIn(value: Readonly<Record<string, string>> | undefined): BinlogPlace | undefined {
  const { file, offset: at } = value ?? {}
  if (file === undefined || at === undefined || !/^\d{1,15}$/.test(at)) return undefined
  return { file, offset: Number(at) }
}

/** Places in binlogs of another name are after nothing: they do not continue it either. */
function isAfter(a: BinlogPlace, b: BinlogPlace): boolean {
  const names = compareBinlogNames(a.file, b.file)
  return names === 1 || (names === 0 && a.offset > b.offset)
}

function isSame(a: BinlogPlace, b: BinlogPlace): boolean {
  return a.file === b.file && a.offset === b.offset
}

function text({ file, offset: at }: BinlogPlace): string {
  return `${file}:${at}`
}
