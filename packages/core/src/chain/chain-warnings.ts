import { noChain } from './chain-branches.ts'
import { isSpan, type PlacedLog } from './chain-reach.ts'
import type { Passage } from './clock-passages.ts'
import type { Place } from './position-places.ts'
import type { RestorableItems } from './restorable-items.ts'

/** What an operator should know of a plan: stable codes. */
export type ChainWarningCode = 'fork' | 'clock-set-back' | 'items-left-out' | 'limited' | 'older-history' | 'nearest'

export interface ChainWarning {
  readonly code: ChainWarningCode
  /** A sentence with the values. */
  readonly message: string
}

/** @param chains those that hold the moment, the newest first */
export function forkWarning(at: string, chains: readonly string[]): ChainWarning[] {
  const [chosen, ...others] = chains.map(describeChain)
  if (chosen === undefined || others.length === 0) return []
  return [
    {
      code: 'fork',
      message: `The moment ${at} is in ${others.length + 1} histories; this is the newest, ${chosen}. The others are ${others.join(', ')}.`,
    },
  ]
}

/** @param passages those of one chain that hold the moment */
export function clockWarning(at: string, passages: readonly Passage[]): ChainWarning[] {
  const moment = Date.parse(at)
  // Where one log ends and the next begins is one moment.
  const through = passages.filter(({ span, within }) => within === undefined || (span.from <= moment && moment < span.to))
  const times: Passage[] = []
  for (const passage of through) if (!times.some((other) => isSameTime(passage, other))) times.push(passage)
  if (times.length < 2) return []
  const message = `The clock of the server was set back and showed ${at} ${times.length} times. This is the last backup that holds it, up to its first change made at ${at} or later.`
  return [{ code: 'clock-set-back', message }]
}

export function itemsWarning({ failed }: RestorableItems): ChainWarning[] {
  if (failed.length === 0) return []
  const names = failed.map(({ item, backup }) => `"${item}" failed in backup ${backup}`)
  return [{ code: 'items-left-out', message: `These items are left out: ${names.join(', ')}.` }]
}

export function limitWarning(limits: readonly { readonly backup: string; readonly items: readonly string[] }[]): ChainWarning[] {
  return limits.map(({ backup, items }) => ({
    code: 'limited',
    message: `The backup ${backup} was limited to ${items.join(', ')}: nothing else comes back from it.`,
  }))
}

/** @param chains the newest first */
export function olderHistoryWarning(chains: readonly string[], chosen: string): ChainWarning[] {
  const [newest] = chains
  if (newest === undefined || newest === chosen) return []
  const message = `Nothing of the newest history, ${describeChain(newest)}, can be restored as a whole; this is of an older one, ${describeChain(chosen)}.`
  return [{ code: 'older-history', message }]
}

function describeChain(chain: string): string {
  return chain === noChain ? 'that of backups without a position' : chain
}

/** Two backups that hold the same stretch of the history, or one that ends in or at the other. */
function isSameTime(a: Passage, b: Passage): boolean {
  const [one, other] = [a.within?.log, b.within?.log]
  if (one === undefined) return other === undefined ? samePlace(a.place, b.place) : isAt(a.place, other)
  if (other === undefined) return isAt(b.place, one)
  if (one === other) return a.within?.stretch === b.within?.stretch
  if (one.from.line !== other.from.line) return false
  return (
    one.from.rank === other.from.rank || (one.from.rank < other.to.rank && other.from.rank < one.to.rank && one.to.line === other.to.line)
  )
}

function isAt(place: Place | undefined, log: PlacedLog): boolean {
  if (place === undefined) return false
  if (samePlace(place, log.from) || samePlace(place, log.to)) return true
  return isSpan(log) && place.line === log.from.line && log.from.rank < place.rank && place.rank < log.to.rank
}

function samePlace(a: Place | undefined, b: Place | undefined): boolean {
  return a !== undefined && a.line === b?.line && a.rank === b.rank
}
