import type { ChainHistory } from '../chain/chain-history.ts'
import type { ChainLink } from '../chain/chain-link.ts'
import { planWithin } from '../chain/plan-chain.ts'
import type { Backup } from '../contracts/index.ts'
import { calendarOf } from './calendar-buckets.ts'
import { firstFullsWithout, firstWithoutReason, goneItemsOf, graceOverReason, heldReason, namesOf, newestBegin } from './gone-items.ts'
import { keptByRules, type RuleOutcome } from './kept-by-rules.ts'
import { beganAt, logWindowOf } from './log-window.ts'
import { addNeeded, type WantedBackup } from './needed-backups.ts'
import { decisiveForHistories } from './newest-history.ts'
import { neededBy, type RetentionReason } from './retention-reasons.ts'
import { assertRules, type RetentionRules } from './retention-rules.ts'
import { isRestorable, type RetentionView, viewsOf } from './retention-view.ts'
import { ruleGroups } from './rule-groups.ts'

/** What is to become of one backup. */
export interface RetentionDecision {
  readonly backup: Backup
  readonly action: 'keep' | 'remove'
  /** One at least: all rules that keep it, or what else does; of one that is removed, why nothing does. */
  readonly reasons: readonly RetentionReason[]
}

export interface RetentionOptions {
  /** In which days, weeks and hours are counted: an IANA name; UTC when left out. */
  readonly timezone?: string | undefined
  /** Backups that stay whatever the rules say, such as those that the store retains, each with a clause that says why: what they need stays as well. */
  readonly stays?: ReadonlyMap<string, string> | undefined
}

/**
 * Which backups of a job in one repository the rules keep and which may go, oldest first, each with its reasons. Pure. What is kept stays as restorable as
 * it is, by the chain planner over what would be left: what it needs is kept, over forks and gaps and for each of its items. Kept as well are the last that
 * can be restored of the job, and of each item that is still backed up; of an item that newer fulls lack, for 30 days (`goneItemGrace`).
 *
 * A backup is dated by when its run began (`beganAt`), by the clock of the host that made it, which `now` is of too, and which copies keep; the clock of the server may be
 * wrong. Complete ones, partial ones, limited ones by their items, and ones that lack what they need in this repository, are counted apart by the same rules: none takes the place of
 * another. Throws `INVALID_INPUT` for rules that cannot be meant, `INVALID_SETTINGS` for a zone that is not known, and a TypeError for a history of several repositories or of single items.
 */
export function planRetention(
  history: ChainHistory,
  rules: RetentionRules,
  now: Date,
  options: RetentionOptions = {},
): RetentionDecision[] {
  if (history.listings.length > 1 || history.items !== undefined)
    throw new TypeError('retention is planned for one repository and all items')
  if (Number.isNaN(now.getTime())) throw new TypeError('now is no time')
  assertRules(rules)
  return new RetentionSearch(history, rules, now.getTime(), options).decisions()
}

class RetentionSearch {
  readonly #views: readonly [RetentionView, ...RetentionView[]]
  readonly #rules: RetentionRules
  readonly #now: number
  readonly #outcomes: ReadonlyMap<string, RuleOutcome>
  readonly #stays: ReadonlyMap<string, string>
  readonly #kept = new Map<string, RetentionReason[]>()
  /** Of items whose grace is over, by the last backup that brings them back. */
  readonly #overdue = new Map<string, RetentionReason[]>()

  constructor(history: ChainHistory, rules: RetentionRules, now: number, { timezone, stays = new Map() }: RetentionOptions) {
    this.#views = viewsOf(history)
    this.#rules = rules
    this.#now = now
    this.#stays = stays
    const calendar = calendarOf(timezone)
    const groups = ruleGroups(this.#links, rules, (id) => this.#views.some((view) => isRestorable(view, id)))
    const outcomes = groups.flatMap(({ links, rules: ofGroup }) => {
      const dated = links.map((link) => ({ id: link.id, began: beganAt(link) }))
      return keptByRules(dated, ofGroup, now, calendar)
    })
    this.#outcomes = new Map(outcomes.map((outcome) => [outcome.id, outcome]))
  }

  decisions(): RetentionDecision[] {
    const [whole] = this.#views
    for (const { id, keeps } of this.#outcomes.values()) for (const reason of keeps) this.#keep(id, reason)
    this.#addNeeded(this.#oldestFirst(this.#kept))
    const fullsNewestFirst = this.#links.filter(({ kind }) => kind === 'full').toSorted((a, b) => beganAt(b) - beganAt(a))
    const gone = firstFullsWithout(fullsNewestFirst)
    this.#keepLast(gone)
    const fulls = this.#links.filter(({ id, kind }) => kind === 'full' && this.#kept.has(id))
    const window = logWindowOf(whole, fulls)
    if (this.#rules.log === undefined) this.#keepLogs(window)
    for (const [id, message] of this.#stays) if (whole.links.has(id)) this.#keep(id, { code: 'stays', message })
    this.#addNeeded(this.#oldestFirst(this.#stays))
    // Behind the window of the logs, which would else begin with what is only held for a while.
    this.#holdGoneItems(gone)
    this.#keepNewestHistory()
    // What is kept because something else needs it is not lost to the whole job either.
    this.#addNeeded(
      this.#oldestFirst(this.#kept).map(({ id }) => ({ id, since: () => 'any' })),
      [whole],
    )
    return this.#links.map((link) => this.#decisionOn(link, window.oldest))
  }

  get #links(): readonly ChainLink[] {
    return this.#views[0].reach.links
  }

  #keep(id: string, reason: RetentionReason): void {
    const reasons = this.#kept.get(id)
    if (reasons === undefined) this.#kept.set(id, [reason])
    else reasons.push(reason)
  }

  #oldestFirst(ids: { has(id: string): boolean }): WantedBackup[] {
    return this.#links.filter(({ id }) => ids.has(id))
  }

  #addNeeded(wanted: readonly WantedBackup[], views: readonly RetentionView[] = this.#views): void {
    addNeeded(views, this.#kept, wanted, (needed, by) => this.#keep(needed, neededBy(by)))
  }

  /** The latest state of the job, then that of each item that is still backed up, where it is another. */
  #keepLast(gone: ReadonlyMap<string, ChainLink>): void {
    const known = new Set<string>()
    for (const view of this.#views) {
      const items = view.items?.filter((item) => !gone.has(item))
      if (items?.length === 0) continue
      const latest = planWithin(view.reach, view.history, { latest: true })
      const last = latest.possible ? latest.backups.at(-1) : undefined
      if (!latest.possible || last === undefined) continue
      if (!known.has(last.id)) this.#keep(last.id, lastReason(items))
      known.add(last.id)
      for (const { id } of latest.backups) if (!this.#kept.has(id)) this.#keep(id, neededBy(last.id))
    }
  }

  /** The last of an item that newer fulls lack, and the first of these, without which a later plan would count from another. */
  #holdGoneItems(without: ReadonlyMap<string, ChainLink>): void {
    const newest = newestBegin(this.#links, this.#now)
    for (const gone of goneItemsOf(this.#views, without)) {
      const { last, chain, until } = gone
      if (newest >= until) {
        this.#overdue.set(last, [...(this.#overdue.get(last) ?? []), graceOverReason(gone)])
        continue
      }
      this.#keep(last, heldReason(gone))
      for (const id of chain) if (!this.#kept.has(id)) this.#keep(id, neededBy(last))
      if (!this.#kept.has(gone.without.id)) this.#keep(gone.without.id, firstWithoutReason(gone))
    }
  }

  #keepLogs({ oldest, holds, since }: ReturnType<typeof logWindowOf>): void {
    const message =
      oldest === undefined
        ? 'no full backup is there that says how old a log may be'
        : `not older than ${oldest.id}, the oldest full backup that is kept`
    const logs = this.#links.filter((link) => link.kind === 'log' && holds(link))
    for (const { id } of logs) this.#keep(id, { code: 'log-window', message, ...(oldest === undefined ? {} : { backup: oldest.id }) })
    this.#addNeeded(logs.map(({ id }) => ({ id, since })))
  }

  /** Which of several histories is the newest stays as it is, and with it what the latest state is, and what a time means that several have. */
  #keepNewestHistory(): void {
    for (const view of this.#views) {
      for (;;) {
        const links = decisiveForHistories(view.reach.links, this.#kept).filter(({ id }) => !this.#kept.has(id))
        if (links.length === 0) break
        for (const { id } of links)
          this.#keep(id, { code: 'newest-history', message: 'it tells which history of the server is the newest' })
        this.#addNeeded(links)
      }
    }
  }

  #decisionOn({ id, backup }: ChainLink, oldest: ChainLink | undefined): RetentionDecision {
    const reasons = this.#kept.get(id)
    if (reasons !== undefined) return { backup, action: 'keep', reasons }
    const byRules = this.#outcomes.get(id)?.removes
    const before = oldest === undefined ? 'no backup that is kept needs it' : `older than ${oldest.id}, the oldest full backup that is kept`
    const reason: RetentionReason = byRules ?? { code: 'before-log-window', message: before, ...(oldest && { backup: oldest.id }) }
    return { backup, action: 'remove', reasons: [reason, ...(this.#overdue.get(id) ?? [])] }
  }
}

function lastReason(items: readonly string[] | undefined): RetentionReason {
  if (items === undefined) return { code: 'last-restorable', message: 'the last that can be restored' }
  return { code: 'last-of-item', message: `the last that brings back ${namesOf(items)}` }
}
