import type { Backup, PositionOrder } from '../contracts/index.ts'

/** What one repository lists of one job. The order of the backups does not matter, nor whether their file lists are there. */
export interface RepositoryListing {
  /** A name of the repository that the plan gives back. */
  readonly repository: string
  readonly backups: readonly Backup[]
}

/** All that is known of the backups of one job, in one or several repositories. */
export interface ChainHistory {
  /** The preferred repository first. A backup that several list is one backup. */
  readonly listings: readonly RepositoryListing[]
  /** Of the agent that wrote the positions; without it two positions are the same or unknown to each other. */
  readonly order?: PositionOrder
  /**
   * Only these items are asked for: a backup in which others failed, or that was limited to these, is then as good as a whole one. Where
   * a backup has no positions of its own, those of these items count, if they agree: so an application whose databases have each
   * a history of their own is planned database by database.
   */
  readonly items?: readonly string[]
}

/** The listing of one repository as a whole history. */
export function historyOf(backups: readonly Backup[], order?: PositionOrder, repository = ''): ChainHistory {
  return { listings: [{ repository, backups }], ...(order === undefined ? {} : { order }) }
}
