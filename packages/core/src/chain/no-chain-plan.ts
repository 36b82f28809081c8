import type { Position } from '../contracts/index.ts'
import { chainOf } from './chain-branches.ts'
import type { ChainHistory } from './chain-history.ts'
import type { ChainLink } from './chain-link.ts'
import type { Reach } from './chain-reach.ts'
import type { ChainTarget } from './plan-chain.ts'
import { describePosition } from './position-order.ts'
import { pointOf, type RestorePoint, windowsOf } from './restore-windows.ts'

/** Why there is no way: stable codes. */
export type NoChainPlanCode =
  | 'no-full'
  | 'unknown-backup'
  | 'unknown-chain'
  | 'unknown-position'
  | 'before-first'
  | 'after-last'
  | 'in-a-gap'
  | 'base-missing'
  | 'items-failed'

/** That a target cannot be reached, why, and what can be instead. */
export interface NoChainPlan {
  readonly possible: false
  readonly reason: { readonly code: NoChainPlanCode; readonly message: string }
  /** The nearest that can be restored to: a moment for a moment, a position for a position. Left out where there is none. */
  readonly before?: NearestTarget
  readonly after?: NearestTarget
}

export interface NearestTarget {
  readonly at: string
  readonly chain?: string
  /** The backup that ends there, for a position. */
  readonly backup?: string
  readonly position?: Position
}

export function noPlan(reach: Reach, history: ChainHistory, target: ChainTarget): NoChainPlan {
  const chain = 'chain' in target ? target.chain : undefined
  if (chain !== undefined && !reach.links.some((link) => chainOf(link) === chain)) {
    return refuse('unknown-chain', `There is no backup of the history ${chain}.`)
  }
  if ('backup' in target) return noPlanTo(reach, history, target.backup)
  if ('position' in target) return noPlanAt(reach, target.position)
  if ('beforePosition' in target) return noPlanBefore(reach, target.beforePosition)
  if ('at' in target) return noPlanFor(reach, history, target.at, chain)
  return refuse('no-full', 'There is no full backup to begin with.')
}

function noPlanTo(reach: Reach, history: ChainHistory, id: string): NoChainPlan {
  const link = reach.links.find((candidate) => candidate.id === id)
  if (link === undefined) return refuse('unknown-backup', `There is no backup ${id}.`)
  const nearest = nearestMoments(reach, history, link.backup.consistentAt, undefined)
  if (link.kind === 'differential' && reach.baseOf(link) === undefined) {
    const at = link.from === undefined ? 'it does not say which' : `that at ${describePosition(link.from)}`
    return refuse(
      'base-missing',
      `The differential backup ${id} needs the full backup it was made against, ${at}, and that is not there.`,
      nearest,
    )
  }
  const log = reach.logs.find((candidate) => candidate.link === link)
  if (link.kind === 'log' && (log === undefined || reach.entryOf(log) === undefined)) {
    const begins = link.from === undefined ? 'at an unknown position' : `at ${describePosition(link.from)}`
    const without = reach.links.some(({ kind, whole }) => kind === 'full' && whole) ? undefined : 'no-full'
    return refuse(
      without ?? 'in-a-gap',
      `The log backup ${id} begins ${begins}, and no full backup that is there leads up to that.`,
      nearest,
    )
  }
  return refuse('items-failed', `No item that is asked for comes back from the backup ${id}: ${link.failed.join(', ')} failed.`, nearest)
}

function noPlanAt(reach: Reach, position: Position): NoChainPlan {
  const place = reach.places.locate(position)
  const text = `the position ${describePosition(position)} of ${position.chain}`
  const ends = place === undefined ? [] : pointsOn(reach, place.line)
  if (place === undefined || ends.length === 0) {
    return refuse('unknown-position', `No full backup is there by which ${text} could be reached.`)
  }
  const before = ends.findLast(({ rank }) => rank < place.rank)?.point
  const after = ends.find(({ rank }) => rank > place.rank)?.point
  const nearest = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
  return refuse(codeOf(nearest), `${capital(text)} ${lies(nearest)}.`, nearest)
}

function noPlanBefore(reach: Reach, position: Position): NoChainPlan {
  const place = reach.places.locate(position)
  const text = `The change at the position ${describePosition(position)} of ${position.chain}`
  const ends = place === undefined ? [] : pointsOn(reach, place.line)
  if (place === undefined || ends.length === 0) return refuse('unknown-position', `${text} is in no backup that could be restored.`)
  const before = ends.findLast(({ rank }) => rank < place.rank)?.point
  const after = ends.find(({ rank }) => rank >= place.rank)?.point
  const nearest = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
  return refuse(codeOf(nearest), `${text} is in no log backup from which it could be left out: it ${lies(nearest)}.`, nearest)
}

function noPlanFor(reach: Reach, history: ChainHistory, at: string, chain: string | undefined): NoChainPlan {
  const nearest = nearestMoments(reach, history, at, chain)
  if (nearest.before === undefined && nearest.after === undefined)
    return refuse('no-full', `There is no full backup by which ${at} could be reached.`)
  return refuse(codeOf(nearest), `The moment ${at} ${lies(nearest)}.`, nearest)
}

type Nearest = Pick<NoChainPlan, 'before' | 'after'>

function nearestMoments(reach: Reach, { items }: ChainHistory, at: string, chain: string | undefined): Nearest {
  const moment = Date.parse(at)
  const windows = windowsOf(reach, items).filter((window) => (chain ?? window.chain) === window.chain)
  const edges = windows.flatMap(({ times, chain: of }) => {
    const name = of === undefined ? {} : { chain: of }
    return times.flatMap(({ from, to }) => [
      { at: from, ...name },
      { at: to, ...name },
    ])
  })
  edges.sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const before = edges.findLast((edge) => Date.parse(edge.at) < moment)
  const after = edges.find((edge) => Date.parse(edge.at) > moment)
  return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
}

/** The states of a line with the backup that ends at each. */
function pointsOn(reach: Reach, line: string): { readonly rank: number; readonly point: NearestTarget }[] {
  const states = new Set(reach.statesOf(line))
  const points = new Map<number, ChainLink>()
  for (const link of reach.links) {
    if (link.to === undefined || !link.whole) continue
    const place = reach.places.of(link.to)
    if (place.line === line && states.has(place.rank)) points.set(place.rank, link)
  }
  return [...points].sort(([a], [b]) => a - b).map(([rank, link]) => ({ rank, point: nearestOf(link) }))
}

function nearestOf(link: ChainLink): NearestTarget {
  const { at, position, backup }: RestorePoint = pointOf(link)
  return { at, backup, ...(position === undefined ? {} : { position, chain: position.chain }) }
}

function codeOf({ before, after }: Nearest): NoChainPlanCode {
  if (before === undefined) return 'before-first'
  return after === undefined ? 'after-last' : 'in-a-gap'
}

function lies({ before, after }: Nearest): string {
  if (before === undefined) return `lies before everything that can be restored, which begins at ${after?.at}`
  if (after === undefined) return `lies after everything that can be restored, which ends at ${before.at}`
  return `lies in a gap: what can be restored before it ends at ${before.at}, and begins again at ${after.at}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function refuse(code: NoChainPlanCode, message: string, nearest: Nearest = {}): NoChainPlan {
  return { possible: false, reason: { code, message }, ...nearest }
}
