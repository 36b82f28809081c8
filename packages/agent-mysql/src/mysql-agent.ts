import { type Agent, BackupError, parseSettings } from '@backup-planet/core'
import { type MysqlAgentSettings, mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'

/** An agent for one MySQL, MariaDB or Percona server. Throws `INVALID_SETTINGS`; connects to nothing yet. */
export function createMysqlAgent(input: MysqlAgentSettings): Agent {
  const settings = parseSettings(mysqlAgentSettingsSchema, input, 'settings')
  const unfinished = (): never => {
    throw new BackupError(`${settings.host} cannot be captured yet`, { code: 'UNSUPPORTED', hint: 'Wait for the next version.' })
  }
  return {
    contract: 'agent/1',
    application: 'mysql',
    version: '0.0.0',
    supports: { kinds: ['full'], pointInTime: false, rename: true },
    discover: unfinished,
    check: async () => unfinished(),
    plan: async () => unfinished(),
    beginCapture: async () => unfinished(),
    planRestore: async () => unfinished(),
    restore: async () => unfinished(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}
