import { BackupError } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { captureSteps } from './capture-steps.ts'
import { type AcquireOptions, attemptLock, boundLockWait } from './snapshot-lock.ts'

/** Whether structure is kept from changing until the end of the copy, and by what. */
export type DdlGuard = 'detect' | 'instance' | 'mdl'

/** What a server and the settings ask for, before the rights of the account are known. Throws `UNSUPPORTED`. */
export function wantedGuard(setting: ResolvedMysqlAgentSettings['ddlGuard'], server: ServerFacts): DdlGuard {
  if (setting === 'mdl' || setting === 'detect') return setting
  if (server.supports.lockInstance) return 'instance'
  if (setting === 'auto') return 'detect'
  throw new BackupError(`server ${server.version} has no LOCK INSTANCE FOR BACKUP`, {
    code: 'UNSUPPORTED',
    hint: 'Set ddlGuard to auto, detect or mdl.',
  })
}

/**
 * Takes LOCK INSTANCE FOR BACKUP (MySQL 8.0 "LOCK INSTANCE FOR BACKUP and UNLOCK INSTANCE Statements"), which lasts as long as the session. It
 * waits for DDL that runs: so no longer than any other lock, and not behind a long query.
 */
export async function takeInstanceLock(
  session: MysqlSession,
  setting: ResolvedMysqlAgentSettings['ddlGuard'],
  options: AcquireOptions,
): Promise<DdlGuard> {
  const wanted = wantedGuard(setting, options.server)
  if (wanted !== 'instance') return wanted
  await boundLockWait(session, options)
  try {
    await attemptLock(session, options, async () => {
      options.onStep?.(captureSteps.instanceLock)
      await session.run('LOCK INSTANCE FOR BACKUP', 'keeping structure from changing')
    })
    return 'instance'
  } catch (error) {
    if (setting === 'auto' && BackupError.is(error) && error.code === 'ACCESS_DENIED') return 'detect'
    throw error
  }
}
