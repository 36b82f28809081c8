import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { ServerFacts } from './mysql-server.ts'

/** Printable, such as `db1.example.com:3306`. */
export function sourceName(settings: ResolvedMysqlAgentSettings, { hostname }: ServerFacts): string {
  return settings.socketPath === undefined ? `${settings.host}:${settings.port}` : `${hostname}:${settings.socketPath}`
}
