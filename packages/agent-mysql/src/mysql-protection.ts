import { BlockList, isIP } from 'node:net'
import type { MysqlConnectionSettings } from './mysql-agent-settings.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Plain TCP to another machine that nobody asked for. */
export function isUnprotected({ host, socketPath, ssl }: MysqlConnectionSettings): boolean {
  return ssl === undefined && socketPath === undefined && !isThisMachine(host)
}

/** Whether a host name means the machine that asks. */
export function isThisMachine(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  const family = isIP(name)
  return family !== 0 && loopback.check(name, family === 6 ? 'ipv6' : 'ipv4')
}
