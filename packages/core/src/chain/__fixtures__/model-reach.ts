import type { Backup, Position } from '../../contracts/index.ts'
import { numberOf } from './numbered-positions.ts'

interface ModelState {
  readonly chain: string
  readonly number: number
  readonly moments: number[]
}

/** What can be restored, found the slow way: by trying every backup on every state until nothing new comes. */
export class ModelReach {
  readonly states = new Map<string, ModelState>()
  readonly #backups: readonly Backup[]
  readonly #asked: readonly string[] | undefined
  readonly #ordered: boolean

  /** @param ordered whether a log can be applied to a state after its beginning */
  constructor(backups: readonly Backup[], asked: readonly string[] | undefined, ordered: boolean) {
    this.#backups = backups
    this.#asked = asked
    this.#ordered = ordered
    const whole = backups.filter((backup) => this.isWhole(backup))
    for (let before = -1; before < this.states.size; ) {
      before = this.states.size
      for (const backup of whole) if (this.#applies(backup)) this.#reach(backup)
    }
  }

  isWhole({ status, limitedTo, items }: Backup): boolean {
    if (this.#asked === undefined) return status === 'complete' && limitedTo === undefined
    return this.#asked.every((item) => (limitedTo?.includes(item) ?? true) && items.some((one) => one.item === item && !one.failure))
  }

  /** Something that is asked for comes back from it. */
  isWorth(backup: Backup): boolean {
    return this.isWhole(backup) || backup.items.some(({ item, failure }) => !failure && (this.#asked?.includes(item) ?? true))
  }

  reachesMoment(time: number): boolean {
    return this.#backups.some((backup) => {
      if (!this.isWorth(backup) || !this.#applies(backup)) return false
      if (Date.parse(backup.consistentAt) === time) return true
      return (
        backup.kind === 'log' &&
        this.#entries(backup).some((state) => coveredFrom(backup, state).some(([from, to]) => from <= time && time <= to))
      )
    })
  }

  reachesPosition(position: Position): boolean {
    const number = numberOf(position)
    if (this.states.has(keyOf(position))) return true
    return this.#backups.some((backup) => {
      if (!this.isWorth(backup) || !this.#applies(backup) || backup.position?.chain !== position.chain) return false
      const end = numberOf(backup.position)
      if (end === number) return true
      if (backup.kind !== 'log' || backup.from?.chain !== position.chain || !this.#ordered) return false
      return this.#entries(backup).some((state) => state.number < number && number <= end)
    })
  }

  /** Whether the change that ends at the position can be left out, with everything before it restored. */
  reachesBefore(position: Position): boolean {
    const number = numberOf(position)
    return this.#backups.some((backup) => {
      const { kind, from, position: to } = backup
      if (kind !== 'log' || from === undefined || to?.chain !== position.chain || !this.isWorth(backup)) return false
      const [begin, end] = [numberOf(from), numberOf(to)]
      if (from.chain === to.chain && begin === end) return false
      const entries = this.#entries(backup)
      if (from.chain !== to.chain || !this.#ordered) return end === number && entries.length > 0
      return begin < end && number <= end && entries.some((state) => state.number < number)
    })
  }

  #applies(backup: Backup): boolean {
    if (backup.kind === 'full') return true
    const { from } = backup
    if (from === undefined) return false
    if (backup.kind === 'log') return this.#entries(backup).length > 0
    return this.#backups.some((full) => full.kind === 'full' && this.isWhole(full) && full.position && keyOf(full.position) === keyOf(from))
  }

  #entries({ from, position }: Backup): ModelState[] {
    if (from === undefined || position === undefined) return []
    if (this.#ordered && from.chain === position.chain && numberOf(from) > numberOf(position)) return []
    const exact = this.states.get(keyOf(from))
    if (!this.#ordered || from.chain !== position.chain || numberOf(from) >= numberOf(position)) return exact === undefined ? [] : [exact]
    return [...this.states.values()].filter(
      ({ chain, number }) => chain === from.chain && numberOf(from) <= number && number < numberOf(position),
    )
  }

  #reach({ position, consistentAt }: Backup): void {
    if (position === undefined) return
    const state = this.states.get(keyOf(position)) ?? { chain: position.chain, number: numberOf(position), moments: [] }
    this.states.set(keyOf(position), state)
    if (!state.moments.includes(Date.parse(consistentAt))) state.moments.push(Date.parse(consistentAt))
  }
}

/** What the contract says of `covers`. */
function coveredFrom({ from, position, covers, consistentAt }: Backup, state: ModelState): (readonly [number, number])[] {
  const end = Date.parse(consistentAt)
  if (covers === undefined && from?.chain !== position?.chain) return []
  if (covers === undefined) return state.moments.filter((moment) => moment <= end).map((moment) => [moment, end] as const)
  const spans = covers.map((span) => [Date.parse(span.from), Date.parse(span.to)] as const)
  if (from !== undefined && numberOf(from) === state.number) return spans
  return state.moments.flatMap((moment) => {
    const last = spans.findLastIndex(([begin, finish]) => begin <= moment && moment <= finish)
    return last < 0 ? [] : [[moment, (spans[last] as readonly [number, number])[1]] as const, ...spans.slice(last + 1)]
  })
}

function keyOf(position: Position): string {
  return JSON.stringify([position.chain, numberOf(position)])
}
