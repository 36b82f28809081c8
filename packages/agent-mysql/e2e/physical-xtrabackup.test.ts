import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMysqlAgent } from '../src/index.ts'
import { BackupShelf, emptyHome, planFor, runGuide } from './physical-fixture.ts'
import { type PlayedAnswers, type PlayedMysql, playMysql } from './played-mysql.ts'

/** A MySQL server that is played, and the stand-in of xtrabackup: that nothing else is proven here is said in the README. */
const standIn = join(import.meta.dirname, 'xtrabackup-stand-in.mjs')

let scratch: string
let server: PlayedMysql
const names = ['STAND_IN_DATA', 'STAND_IN_LSN', 'STAND_IN_LOG', 'STAND_IN_VERSION', 'PATH'] as const
const before = Object.fromEntries(names.map((name) => [name, process.env[name]]))

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bp-xtrabackup-'))
  await mkdir(join(scratch, 'mysql-data'))
  process.env.STAND_IN_DATA = join(scratch, 'mysql-data')
  process.env.STAND_IN_LOG = join(scratch, 'calls')
  await writeFile(join(scratch, 'mysql-data', 'ibdata1'), 'first')
  server = await playMysql('8.0.35', answers())
  return () => server[Symbol.asyncDispose]()
})
afterEach(async () => {
  for (const name of names) {
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
  }
  await rm(scratch, { recursive: true, force: true })
})

function answers(): PlayedAnswers {
  const variables = {
    version: '8.0.35',
    version_comment: 'MySQL Community Server - GPL',
    log_bin: 'ON',
    server_uuid: 'uuid-of-the-server',
    server_id: '7',
    hostname: 'db1',
    datadir: join(scratch, 'mysql-data'),
    innodb_data_file_path: 'ibdata1:12M:autoextend',
    binlog_format: 'ROW',
    gtid_mode: 'ON',
  }
  return [
    [/^SELECT VERSION/, [{ version: '8.0.35' }]],
    [/^SHOW GLOBAL VARIABLES/, Object.entries(variables).map(([name, value]) => ({ Variable_name: name, Value: value }))],
    [/^SHOW BINARY LOG STATUS/, 1064],
    [/^SHOW BINARY LOGS/, [{ Log_name: 'binlog.000003', File_size: '157', Encrypted: 'No' }]],
    [
      /^SHOW MASTER STATUS/,
      [{ File: 'binlog.000003', Position: '157', Binlog_Do_DB: '', Binlog_Ignore_DB: '', Executed_Gtid_Set: 'a-b:1-5,\nc-d:1' }],
    ],
    [
      /^SHOW ENGINE INNODB STATUS/,
      [{ Type: 'InnoDB', Name: '', Status: 'LOG\n---\nLog sequence number          5000\nLog flushed up to 5000\n' }],
    ],
    [/UTC_TIMESTAMP/, [{ time: '2026-01-02T03:04:05.678000' }]],
    [/^SELECT CURRENT_USER/, [{ account: 'backup@localhost' }]],
    [/^SHOW GRANTS/, [{ Grants: 'GRANT RELOAD, PROCESS ON *.* TO `backup`@`localhost`' }]],
  ]
}

const agent = () =>
  createMysqlAgent({
    mode: 'physical',
    port: server.port,
    user: 'backup',
    password: 'secret',
    physical: { backupTool: standIn, streamTool: 'mbstream' },
  })
const calls = async () =>
  (await readFile(join(scratch, 'calls'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string[])
    .filter(([first]) => first !== '--version')

describe('xtrabackup, by a stand-in', () => {
  it('is given what its documentation wants, for a full, a differential and their restore', async () => {
    await using shelf = await BackupShelf.create()
    process.env.STAND_IN_LSN = '1000'
    const full = await shelf.backUp(agent(), 'full')
    await writeFile(join(scratch, 'mysql-data', 'ibdata1'), 'second')
    // The file is written in place: it is the same data directory.
    process.env.STAND_IN_LSN = '2000'
    const differential = await shelf.backUp(agent(), 'differential')
    expect(full).toMatchObject({
      kind: 'full',
      consistentAt: '2026-01-02T03:04:05.678Z',
      position: { chain: 'uuid-of-the-server', value: { file: 'binlog.000003', offset: '157', gtid: 'a-b:1-5,c-d:1' } },
      items: [{ item: 'instance', facts: { format: 'xbstream', fromLsn: '0', toLsn: '1000' } }],
    })
    expect(differential).toMatchObject({ kind: 'differential', items: [{ facts: { fromLsn: '1000', toLsn: '2000' } }] })
    const [first, second] = await calls()
    expect(first).toEqual([
      expect.stringMatching(/^--defaults-file=/),
      '--backup',
      '--stream=xbstream',
      expect.stringMatching(/^--target-dir=/),
      expect.stringMatching(/^--extra-lsndir=/),
      '--parallel=1',
      '--ftwrl-wait-threshold=60',
      '--ftwrl-wait-timeout=600',
    ])
    expect(second).toContain('--incremental-lsn=1000')
    expect(server.statements.some((sql) => sql.startsWith('BACKUP STAGE'))).toBe(false)

    for (const [backups, content, prepares] of [
      [[full], 'first', [[]]],
      [[full, differential], 'second', [['--apply-log-only'], []]],
    ] as const) {
      await writeFile(join(scratch, 'calls'), '')
      await using home = await emptyHome()
      const plan = await planFor(agent(), backups, home.datadir)
      expect(plan.problems).toEqual([])
      const report = await agent().restore(plan, shelf.files(backups))
      expect(report.items[0]?.checks).toMatchObject([{ name: 'binlog position', passed: true }])
      expect(await readFile(join(home.datadir, 'ibdata1'), 'utf8')).toBe(content)
      expect(await readFile(join(home.datadir, 'xtrabackup_checkpoints'), 'utf8')).toContain('backup_type = full-prepared')
      const made = await calls()
      expect(made.map((call) => call.filter((argument) => argument === '--apply-log-only'))).toEqual(prepares)
      expect(made.every(([one]) => one === '--no-defaults')).toBe(true)
      expect((await stat(home.datadir)).mode & 0o777).toBe(0o700)
    }
  })

  it('is called by RESTORE.md in the same way', async () => {
    await using shelf = await BackupShelf.create()
    process.env.STAND_IN_LSN = '1000'
    const full = await shelf.backUp(agent(), 'full')
    await writeFile(join(scratch, 'mysql-data', 'ibdata1'), 'second')
    process.env.STAND_IN_LSN = '2000'
    const differential = await shelf.backUp(agent(), 'differential')
    // Under the names that the guide has.
    const programs = join(scratch, 'bin')
    await mkdir(programs)
    await writeFile(join(programs, 'xtrabackup'), `#!/bin/sh\nexec "${process.execPath}" "${standIn}" "$@"\n`, { mode: 0o755 })
    await writeFile(join(programs, 'xbstream'), '#!/bin/sh\nexec mbstream "$@"\n', { mode: 0o755 })
    process.env.PATH = `${programs}:${process.env.PATH}`
    await using home = await emptyHome()
    for (const [name, backup] of [
      ['full', full],
      ['differential', differential],
    ] as const) {
      await mkdir(join(home.directory, name))
      for (const file of await readdir(join(shelf.folder(backup), 'instance')))
        await writeFile(join(home.directory, name, file), await readFile(join(shelf.folder(backup), 'instance', file)))
    }
    await runGuide(shelf.folder(differential), home.directory)
    expect(await readFile(join(home.datadir, 'ibdata1'), 'utf8')).toBe('second')
  })

  it('needs the rights of MySQL 8', async () => {
    const problems = await agent().check({ job: 'test', kind: 'full', chain: [] })
    const named = problems.filter(({ severity }) => severity === 'error').map(({ message }) => / lacks (.+?),/.exec(message)?.[1])
    expect(named).toEqual(['LOCK TABLES', 'REPLICATION CLIENT', 'BACKUP_ADMIN', 'SELECT on performance_schema.log_status'])
  })

  it.each(['8.0.34', '8.4.0', '5.7.44'])('is refused when it is for %s', async (version) => {
    process.env.STAND_IN_VERSION = version
    await expect(agent().beginCapture({ job: 'test', kind: 'full', chain: [] })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})
