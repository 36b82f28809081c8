import type { FormatDescription } from './binlog-event.ts'
import { addInterval, type MutableGtidSet, parseGtidSet, printGtidSet } from './gtid-set.ts'
import { type MariadbGtid, type MutableMariadbGtidList, parseMariadbGtidList, printMariadbGtidList } from './mariadb-gtid.ts'

/** What had been executed before a binlog and after each of its transactions, where the log says it. */
export class GtidProgress {
  #mysql: MutableGtidSet | undefined
  #mariadb: MutableMariadbGtidList | undefined
  #before: string | undefined

  /** @param before what the caller knows, for bytes that begin in the middle of a binlog */
  constructor(before: string | undefined, flavour: FormatDescription['flavour']) {
    if (before === undefined) return
    if (flavour === 'mariadb') this.#mariadb = parseMariadbGtidList(before)
    else this.#mysql = parseGtidSet(before)
    this.#before = this.after
  }

  get before(): string | undefined {
    return this.#before
  }

  get after(): string | undefined {
    if (this.#mariadb !== undefined) return printMariadbGtidList(this.#mariadb)
    return this.#mysql === undefined ? undefined : printGtidSet(this.#mysql)
  }

  beginWithSet(set: MutableGtidSet): void {
    this.#mysql = set
    this.#before = this.after
  }

  beginWithList(list: MutableMariadbGtidList): void {
    this.#mariadb = list
    this.#before = this.after
  }

  addMysql(source: string, number: bigint): void {
    if (this.#mysql !== undefined) addInterval(this.#mysql, source, number, number)
  }

  addMariadb(gtid: MariadbGtid): void {
    this.#mariadb?.set(gtid.domain, gtid)
  }
}
