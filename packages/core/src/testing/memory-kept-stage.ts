import { rm } from 'node:fs/promises'
import type { StagedRun } from '../contracts/index.ts'
import { type JournalRecord, journalLine } from '../staging/stage-journal.ts'
import { StageState } from '../staging/stage-state.ts'

/** What a memory stage leaves when its process is killed: complete files, and the journal that says what they are. */
export interface KeptStage {
  readonly run: StagedRun
  /** Where applications write files of their own; empty where they cannot. */
  readonly directory: string
  readonly records: JournalRecord[]
  /** Written files by their paths below `directory`; adopted ones lie there. */
  readonly contents: Map<string, Buffer>
}

export function emptyStage(run: StagedRun, directory: string): KeptStage {
  return { run: structuredClone(run), directory, records: [], contents: new Map() }
}

/** Keeps a record as a journal does: as JSON that nobody can change any more. */
export function keepRecord(kept: KeptStage, record: JournalRecord): void {
  kept.records.push(JSON.parse(journalLine(record)) as JournalRecord)
}

export function isSealed(kept: KeptStage): boolean {
  return kept.records.some((record) => record.type === 'sealed')
}

export function stateOf(kept: KeptStage): StageState {
  return StageState.replay(kept.records, kept.directory)
}

export function oldestFirst(a: KeptStage, b: KeptStage): number {
  return orderOf(a) < orderOf(b) ? -1 : 1
}

/** Removes the files of a stage, those of its application too. */
export async function removeFiles(kept: KeptStage): Promise<void> {
  kept.contents.clear()
  if (kept.directory !== '') await rm(kept.directory, { recursive: true, force: true })
}

function orderOf({ run }: KeptStage): string {
  return `${run.beganAt} ${run.id}`
}
