export { createMysqlAgent } from './mysql-agent.ts'
export type { MysqlAgentSettings } from './mysql-agent-settings.ts'
export { plugin } from './mysql-plugin.ts'
