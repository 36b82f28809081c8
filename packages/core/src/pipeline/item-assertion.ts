import type { Backup } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { nearest } from '../settings/nearest.ts'
import { failureOf } from './backup-files.ts'

/** Throws for items that are unknown or failed in one of the backups that they would be restored from. */
export function assertItems(items: readonly string[], backups: readonly Backup[]): void {
  assertKnown(items, backups, () => backups.map(({ id }) => id).join(', '))
  for (const item of items) {
    for (const backup of backups) {
      const failure = failureOf(backup, item)
      if (failure === undefined) continue
      throw new BackupError(`item "${item}" failed in backup ${backup.id} and cannot be restored from it: ${failure}`, {
        code: 'INVALID_INPUT',
        hint: 'Choose a backup in which this item did not fail; list shows them.',
      })
    }
  }
}

/** Throws `NOT_FOUND` for items that are in none of these backups; `where` says which these are. */
export function assertKnown(items: readonly string[], backups: readonly Backup[], where: () => string): void {
  if (items.length === 0) return
  const known = new Set(backups.flatMap((backup) => backup.items.map(({ item }) => item)))
  for (const item of items) {
    if (known.has(item)) continue
    const closest = nearest(item, [...known])
    throw new BackupError(`there is no item "${item}" in ${where()}`, {
      code: 'NOT_FOUND',
      hint: closest === undefined ? `The items are: ${[...known].join(', ')}.` : `Did you mean "${closest}"?`,
    })
  }
}
