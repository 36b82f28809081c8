import type { TableReader } from './table-reader.ts'

/** A table to be read in parts by any number of readers. */
export interface TableJob {
  readonly transactional: boolean
  /** The next part as a piece of work, `undefined` when there is none. Called by one reader at a time. */
  claim(reader: TableReader): Promise<(() => Promise<void>) | undefined>
}

/**
 * Reads all tables with all readers: each takes the next part of the first table that has one. A piece of work deals with
 * failures of its item itself; what it throws ends the whole copy, through `stop`.
 */
export async function copyTables(jobs: readonly TableJob[], readers: readonly TableReader[], stop: AbortController): Promise<void> {
  const waiting = [...jobs]
  const claims = new Map<TableJob, Promise<unknown>>()
  const next = async (reader: TableReader): Promise<(() => Promise<void>) | undefined> => {
    for (let job = waiting[0]; job !== undefined; job = waiting[0]) {
      const current = job
      const before = claims.get(current) ?? Promise.resolve()
      const claim = before.then(() => (waiting.includes(current) ? current.claim(reader) : undefined))
      claims.set(
        current,
        claim.catch(() => undefined),
      )
      const work = await claim
      if (work !== undefined) return work
      const index = waiting.indexOf(current)
      if (index >= 0) waiting.splice(index, 1)
      claims.delete(current)
    }
    return undefined
  }
  const results = await Promise.allSettled(
    readers.map(async (reader) => {
      try {
        for (let work = await next(reader); work !== undefined && !stop.signal.aborted; work = await next(reader)) await work()
      } catch (error) {
        stop.abort(error)
        throw error
      }
    }),
  )
  if (stop.signal.aborted) throw stop.signal.reason
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
