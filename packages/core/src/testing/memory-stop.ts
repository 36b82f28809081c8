import type { RestoreRequest, RestoreStop } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { MemoryChange } from './memory-application.ts'
import { sequenceOf } from './memory-positions.ts'

/** Throws `INVALID_INPUT` for a stop that is not in the last backup. */
export function assertStop({ stop, backups }: RestoreRequest): void {
  if (stop === undefined) return
  const last = backups.at(-1)
  if (last?.kind !== 'log' || last.position === undefined) throw noSuchStop('the last backup is no log')
  if ('before' in stop) {
    if (Number.isNaN(Date.parse(stop.before))) throw noSuchStop(`"${stop.before}" is no time`)
    return
  }
  const position = 'position' in stop ? stop.position : stop.beforePosition
  const sequence = sequenceOf(position)
  const begins = beginOfLast({ backups })
  const inside = 'position' in stop ? sequence >= begins : sequence > begins
  if (position.chain !== last.position.chain || !inside || !(sequence <= sequenceOf(last.position)))
    throw noSuchStop(`the change ${position.value.sequence} of ${position.chain} is not in backup ${last.id}`)
}

/** The last change in the state that the last backup is applied to. */
export function beginOfLast({ backups }: Pick<RestoreRequest, 'backups'>): number {
  const before = backups.at(-2)?.position
  return before === undefined ? 0 : sequenceOf(before)
}

/** The first change that is not applied; endless when all are. */
export function firstLeftOut(changes: readonly MemoryChange[], stop: RestoreStop, begins: number): number {
  const isLeftOut = ({ sequence, at }: MemoryChange) => {
    if ('before' in stop) return sequence > begins && Date.parse(at) >= Date.parse(stop.before)
    return 'position' in stop ? sequence > sequenceOf(stop.position) : sequence >= sequenceOf(stop.beforePosition)
  }
  return changes.reduce((first, change) => (isLeftOut(change) ? Math.min(first, change.sequence) : first), Number.POSITIVE_INFINITY)
}

function noSuchStop(why: string): BackupError {
  return new BackupError(`the restore cannot stop there: ${why}`, {
    code: 'INVALID_INPUT',
    hint: 'Stop in the last of the backups that are restored, which must be a log.',
  })
}
