import { BackupError, type RestorePlan } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, type MysqlConnection, quoteText } from '../mysql-connection.ts'
import type { ServerFacts } from '../mysql-server.ts'
import type { RestoreJournal } from './restore-journal.ts'

const relaxed: Readonly<Record<string, string>> = { innodb_flush_log_at_trx_commit: '2', sync_binlog: '0' }

/** Makes commits of the server cheap; what the values were is in the journal before they change. */
export async function relaxCommits(connection: MysqlConnection, journal: RestoreJournal): Promise<void> {
  for (const [name, value] of Object.entries(relaxed)) {
    const [row] = await connection.rows(`SELECT @@GLOBAL.${name} AS value`, `reading ${name}`)
    await journal.keep(connection, name, row?.text('value') ?? '')
    await connection.run(`SET GLOBAL ${name} = ${value}`, `setting ${name}`)
  }
}

/** Sets back what {@link relaxCommits} has changed, over a connection of its own, since the caller may have aborted. */
export async function setBack(journal: RestoreJournal, settings: MysqlConnectionSettings): Promise<void> {
  let own: MysqlConnection
  try {
    own = await connect(settings)
  } catch {
    // The server is gone, and with it what was set; the journal still knows for the next run.
    return
  }
  await using session = own
  const kept = await journal.kept(session)
  for (const [name, value] of kept) {
    if (Object.hasOwn(relaxed, name) && /^\d+$/.test(value)) await session.run(`SET GLOBAL ${name} = ${value}`, `setting back ${name}`)
  }
}

const eventScheduler = 'event_scheduler'

/** Switches the event scheduler off where it runs; the journal keeps that it did. */
export async function stopEvents(connection: MysqlConnection, journal: RestoreJournal): Promise<void> {
  const [row] = await connection.rows(`SELECT @@GLOBAL.${eventScheduler} AS value`, `reading ${eventScheduler}`)
  if (row?.text('value') !== 'ON') return
  await journal.keep(connection, eventScheduler, 'ON')
  await connection.run(`SET GLOBAL ${eventScheduler} = OFF`, 'switching the event scheduler off')
}

/** Switches the event scheduler on again where {@link stopEvents} has switched it off. */
export async function startEvents(connection: MysqlConnection, journal: RestoreJournal): Promise<void> {
  if ((await journal.kept(connection)).get(eventScheduler) !== 'ON') return
  await connection.run(`SET GLOBAL ${eventScheduler} = ON`, 'switching the event scheduler on again')
}

/**
 * Says to the target that it holds everything up to the GTID position of the backup (MySQL 8.4 manual, "gtid_purged"; MariaDB
 * documentation, "gtid_slave_pos").
 */
export async function restoreGtid(connection: MysqlConnection, server: ServerFacts, plan: RestorePlan, gtid: string): Promise<void> {
  if (gtid === '' || !/^[0-9A-Fa-f:,\-_a-z ]*$/.test(gtid)) {
    throw new BackupError(`plan ${plan.id} asks for the GTID position, and the backup holds none`, {
      code: 'NOT_FOUND',
      hint: 'Set the option restoreGtid to false; the source kept no GTIDs.',
    })
  }
  const variable = server.flavour === 'mariadb' ? 'gtid_slave_pos' : 'gtid_purged'
  await connection.run(`SET GLOBAL ${variable} = ${quoteText(gtid)}`, 'setting the GTID position')
}
