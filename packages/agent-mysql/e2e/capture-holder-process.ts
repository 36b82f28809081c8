/** A process of its own that takes the lock of a snapshot, says so, and waits to be killed. Arguments: JSON of the connection settings. */

import { endWhenSilent } from '../src/dump/kept-session.ts'
import { acquireLock } from '../src/dump/snapshot-lock.ts'
import { mysqlAgentSettingsSchema } from '../src/mysql-agent-settings.ts'
import { connect } from '../src/mysql-connection.ts'
import { detectServer } from '../src/mysql-server.ts'

const settings = mysqlAgentSettingsSchema.parse(JSON.parse(process.env.HOLDER_SETTINGS ?? '{}'))
const connection = await connect(settings)
const server = await detectServer(connection)
await endWhenSilent(connection, settings.lockIdleSeconds)
await acquireLock(connection, { settings, server, tables: [{ schema: 'held', name: 't' }] })
process.stdout.write('locked\n')
setInterval(() => undefined, 60_000)
