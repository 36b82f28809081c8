import type { StageContents } from '../contracts/index.ts'
import type { WatchedItems } from './item-watch.ts'

export interface WatchedDrain {
  readonly contents: StageContents
  /** How many items had failed when the repository stopped draining before the end. */
  readonly left: number | undefined
  /** The repository will not drain any more. */
  leave(): void
}

/** The same contents, with a memory of when the repository left. */
export function watchDrain(contents: StageContents, items: WatchedItems): WatchedDrain {
  let left: number | undefined
  const leave = () => {
    left ??= items.failed.length
  }
  return {
    leave,
    get left() {
      return left
    },
    contents: {
      budget: contents.budget,
      get sealed() {
        return contents.sealed
      },
      get notes() {
        return contents.notes
      },
      note: (note) => contents.note(note),
      async *drain(options) {
        const iterator = contents.drain(options)[Symbol.asyncIterator]()
        let complete = false
        try {
          for (let result = await iterator.next(); result.done !== true; result = await iterator.next()) {
            complete = result.value.type === 'sealed'
            yield result.value
          }
        } finally {
          if (!complete) leave()
          await iterator.return?.()
        }
      },
    },
  }
}
