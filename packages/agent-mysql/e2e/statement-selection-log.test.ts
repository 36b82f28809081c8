import type { Capture } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { binlogsIn, LogChain, storedBinlog } from './log-fixture.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'
import { type ScriptedVersion, scriptedVersions, since } from './scripted-version.ts'

const withTags = (version: ScriptedVersion) => version.flavour !== 'mariadb' && since(version, 8, 3, 0)
const cases = scriptedVersions.flatMap((version) => [
  { title: `${version.name}, binlogs with checksums`, version, options: {} },
  { title: `${version.name}, binlogs without checksums`, version, options: { checksums: false } },
  ...(withTags(version) ? [{ title: `${version.name}, tagged GTIDs`, version, options: { tag: 'sales' } }] : []),
])

/** How each version is asked whether it is a replica, with what it refuses. */
const replicaQuestions: Readonly<Record<string, readonly string[]>> = {
  'MySQL 5.7': ['SHOW REPLICA STATUS', 'SHOW SLAVE STATUS'],
  'MySQL 8.0': ['SHOW REPLICA STATUS'],
  'MySQL 8.4': ['SHOW REPLICA STATUS'],
  'MySQL 9.1': ['SHOW REPLICA STATUS'],
  'Percona 8.0': ['SHOW REPLICA STATUS'],
  'MariaDB 10.4': ['SHOW ALL SLAVES STATUS'],
  'MariaDB 10.5': ['SHOW ALL SLAVES STATUS'],
  'MariaDB 10.6': ['SHOW ALL SLAVES STATUS'],
  'MariaDB 10.11': ['SHOW ALL SLAVES STATUS'],
  'MariaDB 11.4': ['SHOW ALL SLAVES STATUS'],
  'MariaDB 11.8': ['SHOW ALL SLAVES STATUS'],
}
const replicaQuestion = /^SHOW (ALL SLAVES|SLAVE|REPLICA) STATUS$/

const heardOf = ({ heard }: ScriptedServer): readonly string[] => heard.map(({ sql }) => sql)

describe.each(scriptedVersions)('$name, the check of a log', (version) => {
  it('asks whether it is a replica in the words of this version', async () => {
    await using server = await startScriptedServer(version)
    await using chain = new LogChain(server)
    expect(await chain.agent.check(chain.request('log'))).toEqual([])
    expect(heardOf(server).filter((sql) => replicaQuestion.test(sql))).toEqual(replicaQuestions[version.name])
    expect(server.unexpected).toEqual([])
  })

  it('does not go on to older words when it is refused for missing rights', async () => {
    const rights = ['BINLOG MONITOR', 'REPLICATION SLAVE', 'RELOAD']
    await using server = await startScriptedServer(version, { account: { rights } })
    await using chain = new LogChain(server)
    await chain.agent.check(chain.request('log'))
    expect(heardOf(server).filter((sql) => replicaQuestion.test(sql))).toEqual(replicaQuestions[version.name])
  })
})

describe.each(cases)('$title', ({ version, options }) => {
  const mariadb = version.flavour === 'mariadb'

  it('a log holds complete binlogs, byte by byte, asked for by the replication protocol', async () => {
    await using server = await startScriptedServer(version, options)
    await using chain = new LogChain(server)
    server.binlogs.commit()
    await chain.backUp('full')
    for (const _ of [1, 2, 3]) server.binlogs.commit()
    const begun = server.heard.length
    const log = await chain.backUp('log')
    expect(await binlogsIn(log)).toEqual([mariadb ? 'mysql-bin.000002' : 'binlog.000002'])
    for (const name of await binlogsIn(log)) expect((await storedBinlog(log, name)).equals(server.binlogs.bytes(name))).toBe(true)
    const gtid = server.binlogs.position.gtid
    expect(log.backup.position?.value).toEqual({ file: server.binlogs.position.file, offset: '4', gtid })
    expect(log.backup.items[0]?.facts.binlogs).toMatchObject([
      { transactions: 3, gtidAfter: gtid, ends: 'rotate', lastGtid: expect.stringMatching(/\b4$/) },
    ])
    // Not blocking, and with the annotations that only MariaDB has.
    expect(new Set(server.binlogs.asked.map(({ flags }) => flags))).toEqual(new Set([mariadb ? 3 : 1]))
    expect(server.binlogs.asked.every(({ serverId }) => serverId >= 2 ** 31)).toBe(true)
    const said = heardOf(server).slice(begun)
    expect(said.filter((sql) => /^(FLUSH|LOCK|BACKUP|UNLOCK|PURGE|RESET)/.test(sql))).toEqual(['FLUSH BINARY LOGS'])
    expect(said.filter((sql) => sql === 'SHOW BINARY LOGS').length).toBeGreaterThan(0)
    expect(server.unexpected).toEqual([])
  })

  it('nothing written since: no binlog is begun', async () => {
    await using server = await startScriptedServer(version, options)
    await using chain = new LogChain(server)
    await chain.backUp('full')
    const binlogs = server.binlogs.list().length
    const log = await chain.backUp('log')
    expect(log.backup.kind).toBe('log')
    expect(await binlogsIn(log)).toEqual([])
    expect(server.binlogs.list()).toHaveLength(binlogs)
    expect(server.unexpected).toEqual([])
  })

  it('is followed as a replica follows it, and what came before a crash is kept', async () => {
    await using server = await startScriptedServer(version, options)
    await using chain = new LogChain(server)
    await chain.backUp('full')
    const request = { job: 'test', chain: chain.backups, everySeconds: 0.05, everyBytes: 1_000_000 }
    const gtids: (string | undefined)[] = []
    let failure: unknown
    server.binlogs.commit()
    const captures = chain.agent.follow?.(request) as AsyncIterable<Capture>
    try {
      for await (const capture of captures) {
        const { backup } = await chain.store(capture)
        gtids.push(backup.position?.value.gtid)
        if (gtids.length === 1) server.binlogs.commit()
        if (gtids.length === 2) {
          server.binlogs.rotate()
          server.binlogs.commit()
        }
        if (gtids.at(-1) === server.binlogs.position.gtid) server.crash()
      }
    } catch (error) {
      failure = error
    }
    expect(failure, String(failure)).toMatchObject({ code: 'UNREACHABLE' })
    expect(gtids.length).toBeGreaterThanOrEqual(3)
    expect(gtids.at(-1)).toBe(server.binlogs.position.gtid)
    expect(server.binlogs.asked.at(-1)?.flags).toBe(mariadb ? 2 : 0)
    expect(server.unexpected).toEqual([])
  })
})
