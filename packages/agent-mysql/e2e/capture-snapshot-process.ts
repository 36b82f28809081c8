/** A process of its own that opens a whole snapshot of the tables of `held`, says so, and waits to be killed. */

import { openSnapshot } from '../src/dump/snapshot.ts'
import { mysqlAgentSettingsSchema } from '../src/mysql-agent-settings.ts'
import { connect } from '../src/mysql-connection.ts'
import { detectServer } from '../src/mysql-server.ts'

const settings = mysqlAgentSettingsSchema.parse(JSON.parse(process.env.HOLDER_SETTINGS ?? '{}'))
const connection = await connect(settings)
const tables = [
  { schema: 'held', name: 't', transactional: true },
  { schema: 'held', name: 'loose', transactional: false },
]
await openSnapshot({ settings, server: await detectServer(connection), tables })
await connection[Symbol.asyncDispose]()
process.stdout.write('open\n')
setInterval(() => undefined, 60_000)
