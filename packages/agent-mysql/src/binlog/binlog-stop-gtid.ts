import { BackupError } from '@backup-planet/core'
import type { BinlogFacts } from './binlog-facts.ts'
import { addInterval, containsGtidSet, type GtidSet, type MutableGtidSet, parseGtidSet, printGtidSet } from './gtid-set.ts'
import {
  containsMariadbGtidList,
  type MariadbGtidList,
  type MutableMariadbGtidList,
  parseMariadbGtid,
  parseMariadbGtidList,
  printMariadbGtid,
} from './mariadb-gtid.ts'

/** How far a replay has come towards GTIDs that were asked for. */
export interface GtidTarget {
  /** Whether that is so before anything is replayed. */
  readonly isReached: boolean
  /** Whether the replay ends before this transaction; `missed` where the target cannot come any more. */
  before(gtid: string): 'found' | 'missed' | undefined
  /** Whether the replay ends right after this transaction, which is applied. */
  after(gtid: string): boolean
}

/**
 * @param until `complete`: all of `text` is executed; `before`: nothing of it, which is one GTID, and all before it
 * @param executed at the beginning of the replay
 */
export function gtidTarget(
  text: string,
  until: 'complete' | 'before',
  executed: string | undefined,
  flavour: BinlogFacts['flavour'],
): GtidTarget {
  if (until === 'before') return singleTarget(canonicalGtid(text, flavour))
  if (flavour === 'mariadb') {
    const wanted = parseMariadbGtidList(text)
    const begin = parseMariadbGtidList(executed ?? '')
    if (wanted === undefined || wanted.size === 0 || begin === undefined) throw unreadable(text, flavour)
    return listTarget(wanted, begin)
  }
  const wanted = parseGtidSet(text)
  const begin = parseGtidSet(executed ?? '')
  if (wanted === undefined || wanted.size === 0 || begin === undefined) throw unreadable(text, flavour)
  return setTarget(wanted, begin)
}

function canonicalGtid(text: string, flavour: BinlogFacts['flavour']): string {
  if (flavour === 'mariadb') {
    const gtid = parseMariadbGtid(text)
    if (gtid !== undefined) return printMariadbGtid(gtid)
  } else {
    const set = parseGtidSet(text)
    const [intervals, ...others] = set === undefined ? [] : set.values()
    if (set !== undefined && intervals !== undefined && others.length === 0 && intervals.every(([first, last]) => first === last)) {
      if (intervals.length === 1) return printGtidSet(set)
    }
  }
  throw unreadable(text, flavour)
}

function unreadable(text: string, flavour: BinlogFacts['flavour']): BackupError {
  return new BackupError(`"${text}" is no GTID of ${flavour === 'mariadb' ? 'MariaDB' : 'MySQL'} to stop at`, {
    code: 'INVALID_INPUT',
    hint:
      flavour === 'mariadb'
        ? 'Write domain-server-sequence, such as 0-1-100; a position may be a list of them, one for each domain.'
        : 'Write uuid:number, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:23; a position may be a set of them.',
  })
}

function singleTarget(wanted: string): GtidTarget {
  return {
    isReached: false,
    before: (gtid) => (gtid === wanted ? 'found' : undefined),
    after: () => false,
  }
}

function setTarget(wanted: GtidSet, executed: MutableGtidSet): GtidTarget {
  return {
    isReached: containsGtidSet(executed, wanted),
    before: () => undefined,
    after(gtid) {
      const at = gtid.lastIndexOf(':')
      const source = gtid.slice(0, at)
      if (!wanted.has(source)) return false
      const number = BigInt(gtid.slice(at + 1))
      addInterval(executed, source, number, number)
      return containsGtidSet(executed, wanted)
    },
  }
}

function listTarget(wanted: MariadbGtidList, executed: MutableMariadbGtidList): GtidTarget {
  return {
    isReached: containsMariadbGtidList(executed, wanted),
    before(text) {
      const gtid = parseMariadbGtid(text)
      const goal = gtid === undefined ? undefined : wanted.get(gtid.domain)
      if (gtid === undefined || goal === undefined) return undefined
      const reached = executed.get(gtid.domain)
      if (reached !== undefined && reached.sequence >= goal.sequence) return undefined
      // The log goes past what was asked for without having it.
      const passes = gtid.sequence > goal.sequence || (gtid.sequence === goal.sequence && gtid.server !== goal.server)
      return passes ? 'missed' : undefined
    },
    after(text) {
      const gtid = parseMariadbGtid(text)
      if (gtid === undefined || !wanted.has(gtid.domain)) return false
      executed.set(gtid.domain, gtid)
      return containsMariadbGtidList(executed, wanted)
    },
  }
}
