import { containsGtidSet, parseGtidSet } from '../binlog/gtid-set.ts'
import { parseMariadbGtidList } from '../binlog/mariadb-gtid.ts'

/**
 * Whether a binlog that begins with `before` can follow one that ended with `after`. MySQL: with the same set, or with more, as after `SET GLOBAL
 * gtid_purged`. MariaDB: with the same list, or without domains, as after `FLUSH BINARY LOGS DELETE_DOMAIN_ID`. Texts that cannot be read follow nothing.
 */
export function gtidsContinue(after: string, before: string): boolean {
  const [sets, set] = [parseGtidSet(after), parseGtidSet(before)]
  if (sets !== undefined && set !== undefined) return containsGtidSet(set, sets)
  const [lists, list] = [parseMariadbGtidList(after), parseMariadbGtidList(before)]
  if (lists === undefined || list === undefined) return false
  return [...list].every(([domain, { sequence }]) => lists.get(domain)?.sequence === sequence)
}
