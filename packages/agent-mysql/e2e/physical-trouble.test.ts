import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backup, Problem, RestorePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { streamedFile } from '../src/physical/__fixtures__/stream-chunks.ts'
import { BackupShelf, contentOf, emptyHome, physicalAgent, planFor, startOn } from './physical-fixture.ts'

let source: ThrowawayMariadb
let scratch: string

beforeAll(async () => {
  source = await startThrowawayMariadb()
  await source.client(`CREATE DATABASE shop; USE shop; CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250));
    INSERT INTO line (note) SELECT SHA2(seq, 512) FROM seq_1_to_2000;
    CREATE USER nobody@localhost IDENTIFIED BY 'secret words'; CREATE USER backup@localhost IDENTIFIED BY 'it''s "quoted" \\\\ # here'`)
  scratch = await mkdtemp(join(tmpdir(), 'bp-physical-test-'))
})
afterAll(async () => {
  await source?.stop()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
})

const request = { job: 'test', kind: 'full', chain: [] } as const
const errors = (problems: readonly Problem[]) => problems.filter(({ severity }) => severity === 'error')

describe('a physical capture', () => {
  it('needs the rights that its check names, and no others', async () => {
    const agent = physicalAgent(source, { user: 'backup', password: 'it\'s "quoted" \\ # here' })
    const missing = errors(await agent.check(request))
    expect(missing.map(({ code, message }) => [code, / lacks ([A-Z ]+),/.exec(message)?.[1]])).toEqual([
      ['ACCESS_DENIED', 'RELOAD'],
      ['ACCESS_DENIED', 'PROCESS'],
      ['ACCESS_DENIED', 'LOCK TABLES'],
      ['ACCESS_DENIED', 'BINLOG MONITOR'],
    ])
    await expect(agent.beginCapture(request)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    const statement = /all at once: (.*)$/.exec(missing[0]?.hint ?? '')?.[1] ?? ''
    await source.client(statement)
    expect(await agent.check(request)).toEqual([])
    await using shelf = await BackupShelf.create()
    await expect(shelf.backUp(agent, 'full')).resolves.toMatchObject({ kind: 'full' })
  })

  it('names the server as one item, and tells its steps beforehand', async () => {
    const agent = physicalAgent(source)
    expect(agent.supports.kinds).toEqual(['full', 'differential', 'log'])
    expect(physicalAgent(source, { physical: { incremental: false } }).supports.kinds).toEqual(['full', 'log'])
    const sources = []
    for await (const one of agent.discover()) sources.push(one)
    expect(sources).toMatchObject([
      { items: [{ name: 'instance', bytes: expect.any(Number) }], facts: { mode: 'physical', datadir: join(source.directory, 'data') } },
    ])
    const plan = await agent.plan({ ...request, kind: 'differential' })
    expect(plan).toMatchObject({ kind: 'full', reason: expect.stringContaining('no full backup yet') })
    expect(plan.steps.map(({ number }) => number)).toEqual(plan.steps.map((_, index) => index + 1))
    await expect(agent.plan({ ...request, items: ['shop'] })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const onlyFulls = physicalAgent(source, { physical: { incremental: false } })
    await expect(onlyFulls.beginCapture({ ...request, kind: 'differential' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('is followed by logs, and logs do not keep a differential from following its full', async () => {
    await using shelf = await BackupShelf.create()
    const agent = physicalAgent(source)
    const full = await shelf.backUp(agent, 'full')
    await source.client("INSERT INTO shop.line (note) VALUES ('in the log')")
    const log = await shelf.backUp(agent, 'log')
    expect(log).toMatchObject({ kind: 'log', from: full.position, items: [{ item: 'binlog' }] })
    await expect(shelf.backUp(agent, 'differential')).resolves.toMatchObject({ kind: 'differential', from: full.position })
    await source.client('RESET MASTER')
    await expect(shelf.backUp(agent, 'differential')).resolves.toMatchObject({
      kind: 'full',
      reason: expect.stringContaining('no longer continues'),
    })
  })

  it('says so when the password is wrong, or an option file of the tool says another', async () => {
    const wrong = physicalAgent(source, { user: 'nobody', password: 'not this' })
    await expect(wrong.beginCapture(request)).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
    const optionFile = join(scratch, 'other.cnf')
    await writeFile(optionFile, '[mariadb-backup]\nno-such-option=1\n', { mode: 0o600 })
    await using shelf = await BackupShelf.create()
    await expect(shelf.backUp(physicalAgent(source, { physical: { optionFile } }), 'full')).rejects.toMatchObject({
      message: expect.stringContaining('no-such-option'),
    })
  })

  it.each([
    ['of another major version', 'mariadb-backup based on MariaDB server 11.4.2-MariaDB', 'UNSUPPORTED', '11.4.2'],
    ['of the other flavour', 'xtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64)', 'UNSUPPORTED', 'is xtrabackup'],
    ['that is something else', 'hello', 'UNSUPPORTED', 'hello'],
  ])('does not begin with a tool %s', async (_, says, code, message) => {
    const backupTool = join(scratch, 'tool')
    await writeFile(backupTool, `#!/bin/sh\n[ "$*" = --version ] || { touch "${scratch}/began"; exit 1; }\necho '${says}'\n`)
    await chmod(backupTool, 0o755)
    const agent = physicalAgent(source, { physical: { backupTool } })
    await expect(agent.beginCapture(request)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    expect(errors(await agent.check(request))).toMatchObject([{ code, message: expect.stringContaining(message) }])
    expect(await readdir(scratch)).not.toContain('began')
  })

  it('does not begin without a tool', async () => {
    const agent = physicalAgent(source, { physical: { backupTool: join(scratch, 'nowhere') } })
    await expect(agent.beginCapture(request)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(errors(await agent.check(request))).toMatchObject([{ code: 'NOT_FOUND' }])
  })

  it('keeps the password out of arguments, and in a file of mode 0600 only until the tool prints', async () => {
    const backupTool = join(scratch, 'watched')
    const log = join(scratch, 'watched.log')
    await writeFile(
      backupTool,
      `#!/bin/sh\n[ "$*" = --version ] && exec mariadb-backup --version\nfile="\${1#--defaults-file=}"\n{ echo "$@"; env; stat -c %a "$file"; stat -c %a "$(dirname "$file")"; } > "${log}"\nexec mariadb-backup "$@"\n`,
    )
    await chmod(backupTool, 0o755)
    await using shelf = await BackupShelf.create()
    let option = ''
    await shelf.backUp(physicalAgent(source, { physical: { backupTool, partBytes: 1_048_576 } }), 'full', {}, (stage) => {
      stage.onFile = async ({ name }) => {
        if (!name.endsWith('00001')) return
        option = /--defaults-file=(\S+)/.exec(await readFile(log, 'utf8'))?.[1] ?? ''
        await expect(readFile(option)).rejects.toMatchObject({ code: 'ENOENT' })
      }
    })
    expect(option).not.toBe('')
    const text = await readFile(log, 'utf8')
    expect(text).not.toContain(source.rootPassword)
    expect(text.trimEnd().split('\n').slice(-2)).toEqual(['600', '700'])
    const manifest = JSON.stringify(shelf.backups)
    expect(manifest).not.toContain(source.rootPassword)
  })
})

describe('a restore into a data directory', () => {
  let shelf: BackupShelf
  let full: Backup

  beforeAll(async () => {
    shelf = await BackupShelf.create()
    full = await shelf.backUp(physicalAgent(source, { physical: { partBytes: 4_194_304 } }), 'full')
  })
  afterAll(() => shelf?.[Symbol.asyncDispose]())

  const codes = (plan: RestorePlan) => errors(plan.problems).map(({ code }) => code)

  it('is planned without a server, and says what stands against it', async () => {
    const agent = physicalAgent(source, { socketPath: '/nowhere/s.sock' })
    await using home = await emptyHome()
    expect(codes(await planFor(agent, [full], home.datadir))).toEqual([])
    await mkdir(home.datadir)
    expect(codes(await planFor(agent, [full], home.datadir))).toEqual([])
    await writeFile(join(home.datadir, 'x'), '')
    expect(codes(await planFor(agent, [full], home.datadir))).toEqual(['ALREADY_EXISTS'])
    expect(codes(await planFor(agent, [full], home.datadir, { overwrite: true }))).toEqual([])
    expect(codes(await planFor(agent, [full], '/proc/sys/data'))).toContain('ACCESS_DENIED')
    const target = { overwrite: false, options: { datadir: home.datadir } }
    expect(codes(await agent.planRestore({ backups: [full], items: ['shop'], target: { ...target, overwrite: true } }))).toEqual([
      'NOT_FOUND',
    ])
    expect(codes(await agent.planRestore({ backups: [full], target: { ...target, overwrite: true, rename: { instance: 'x' } } }))).toEqual([
      'INVALID_INPUT',
    ])
    const log: Backup = { ...full, id: 'log', kind: 'log', items: [] }
    expect(codes(await planFor(agent, [full, log], home.datadir, { overwrite: true }))).toEqual(['INCONSISTENT'])
    const newer: Backup = { ...full, source: { ...full.source, version: '11.4.2-MariaDB' } }
    expect(codes(await planFor(agent, [newer], home.datadir, { overwrite: true }))).toEqual(['UNSUPPORTED'])
    const large: Backup = { ...full, items: full.items.map((item) => ({ ...item, bytes: 1e17 })) }
    expect(codes(await planFor(agent, [large], home.datadir, { overwrite: true }))).toEqual(['OUT_OF_SPACE'])
    expect(await readdir(home.datadir)).toEqual(['x'])
  })

  it('wants an absolute path to a directory, and no other options', async () => {
    const agent = physicalAgent(source)
    for (const options of [
      {},
      { datadir: 'data' },
      { datadir: '/tmp/../x' },
      { datadir: '/tmp/x/' },
      { datadir: '/tmp/x', tables: ['shop.line'] },
    ]) {
      await expect(agent.planRestore({ backups: [full], target: { overwrite: false, options } })).rejects.toMatchObject({
        code: 'INVALID_SETTINGS',
      })
    }
    await using home = await emptyHome()
    await writeFile(join(home.directory, 'file'), '')
    await symlink('tmp', join(home.directory, 'link'))
    for (const name of ['file', 'link']) {
      await expect(planFor(agent, [full], join(home.directory, name))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    await expect(planFor(agent, [full], join(home.directory, 'no', 'data'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('never replaces a directory that a server uses, and replaces one that none uses only where that is allowed', async () => {
    const agent = physicalAgent(source)
    await using home = await emptyHome()
    await agent.restore(await planFor(agent, [full], home.datadir), shelf.files([full]))
    const stopped = await planFor(agent, [full], home.datadir, { overwrite: true })
    {
      await using running = await startOn(home)
      const plan = await planFor(agent, [full], home.datadir, { overwrite: true })
      expect(plan.problems).toMatchObject([{ severity: 'error', code: 'CONFLICT', message: expect.stringContaining(String(running.pid)) }])
      await expect(agent.restore(stopped, shelf.files([full]))).rejects.toMatchObject({ code: 'CONFLICT' })
      await running.client("CREATE DATABASE later; INSERT INTO shop.line (note) VALUES ('later')")
    }
    await expect(agent.restore(stopped, shelf.files([full]))).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('not as the plan found it'),
    })
    const plan = await planFor(agent, [full], home.datadir, { overwrite: true })
    expect(plan).toMatchObject({ problems: [], items: [{ overwrites: [`data directory ${home.datadir}`] }] })
    await agent.restore(plan, shelf.files([full]))
    expect((await readdir(home.directory)).filter((name) => name.startsWith('.'))).toEqual([])
    await using restored = await startOn(home)
    expect(await contentOf(restored)).toBe(await contentOf(source))
  })

  it('is done by one at a time', async () => {
    const agent = physicalAgent(source)
    await using home = await emptyHome()
    const plan = await planFor(agent, [full], home.datadir)
    let second: Promise<unknown> | undefined
    const first = agent.restore(plan, shelf.files([full]), {
      onProgress: (event) => {
        if (event.type === 'step') second ??= agent.restore(plan, shelf.files([full])).catch((error: unknown) => error)
      },
    })
    await expect(first).resolves.toMatchObject({ items: [{ item: 'instance' }] })
    expect(await second).toMatchObject({ code: 'CONFLICT' })
  })

  describe('of a backup that was damaged or made to harm', () => {
    let damaged: BackupShelf
    let backup: Backup
    let folder: string
    let names: readonly string[]

    beforeEach(async () => {
      damaged = await BackupShelf.create()
      backup = await damaged.backUp(physicalAgent(source), 'full')
      folder = join(damaged.folder(backup), 'instance')
      names = (await readdir(folder)).sort()
      return () => damaged[Symbol.asyncDispose]()
    })

    const last = () => join(folder, names.at(-1) ?? '')
    const harms: readonly (readonly [what: string, code: string, harm: () => Promise<void>])[] = [
      ['is cut', 'CORRUPTED', () => truncate(last(), 1000)],
      ['lacks its last file', 'CORRUPTED', () => truncate(last(), 0)],
      [
        'has a flipped bit',
        'CORRUPTED',
        async () => {
          const content = await readFile(join(folder, names[1] ?? ''))
          content.writeUInt8(content.readUInt8(1_000_000) ^ 4, 1_000_000)
          await writeFile(join(folder, names[1] ?? ''), content)
        },
      ],
      ['names a file outside', 'INVALID_INPUT', () => appendFile(last(), streamedFile('../../outside', 'x'))],
      ['names an absolute path', 'INVALID_INPUT', () => appendFile(last(), streamedFile(join(scratch, 'outside'), 'x'))],
      ['names a tablespace elsewhere', 'UNSUPPORTED', () => appendFile(last(), streamedFile('shop/line.isl', '/etc/x.ibd'))],
      ['holds text instead', 'CORRUPTED', () => writeFile(join(folder, names[0] ?? ''), 'hello\n'.repeat(1000))],
    ]

    it.each(harms)('%s: %s, before anything is replaced', async (_, code, harm) => {
      const agent = physicalAgent(source)
      await using home = await emptyHome()
      await mkdir(home.datadir)
      await writeFile(join(home.datadir, 'mine'), 'mine')
      const plan = await planFor(agent, [backup], home.datadir, { overwrite: true })
      await harm()
      await expect(agent.restore(plan, damaged.files([backup]))).rejects.toMatchObject({ code })
      expect(await readdir(home.datadir)).toEqual(['mine'])
      expect(await readdir(home.directory)).toEqual(['data', 'tmp'])
      expect(await readdir(scratch)).not.toContain('outside')
    })

    it('is another one than its record says: CORRUPTED, before anything is replaced', async () => {
      const agent = physicalAgent(source)
      await using home = await emptyHome()
      const record = { ...backup, position: { chain: source.directory, value: { file: 'binlog.000001', offset: '4', gtid: '' } } }
      const plan = await planFor(agent, [record], home.datadir)
      await expect(agent.restore(plan, damaged.files([backup]))).rejects.toMatchObject({ code: 'CORRUPTED' })
      expect(await readdir(home.directory)).toEqual(['tmp'])
    })

    it.each([
      ['a plugin', 'plugin_load=evil.so'],
      ['another directory', 'innodb_data_home_dir=/etc'],
      ['another file', '!include /etc/mysql/my.cnf'],
    ])('makes the tool load or write %s: UNSUPPORTED, before the tool sees it', async (_, line) => {
      const agent = physicalAgent(source)
      await using home = await emptyHome()
      const plan = await planFor(agent, [backup], home.datadir)
      const parts = await Promise.all(names.map((name) => readFile(join(folder, name))))
      const whole = Buffer.concat(parts)
      const hostile = Buffer.concat([streamedFile('backup-my.cnf', `[mysqld]\n${line}\n`), withoutFile(whole, 'backup-my.cnf')])
      await writeFile(join(folder, names[0] ?? ''), hostile)
      for (const name of names.slice(1)) await truncate(join(folder, name), 0)
      await expect(agent.restore(plan, damaged.files([backup]))).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining(line),
      })
      expect(await readdir(home.directory)).toEqual(['tmp'])
    })
  })
})

/** A stream without the chunks of one file. */
function withoutFile(stream: Buffer, path: string): Buffer {
  const kept: Buffer[] = []
  for (let at = 0; at < stream.length; ) {
    const type = String.fromCharCode(stream.readUInt8(at + 9))
    const nameEnd = at + 14 + stream.readUInt32LE(at + 10)
    const name = stream.toString('latin1', at + 14, nameEnd)
    const end = type === 'E' ? nameEnd : nameEnd + 20 + Number(stream.readBigUInt64LE(nameEnd))
    if (name !== path) kept.push(stream.subarray(at, end))
    at = end
  }
  return Buffer.concat(kept)
}
