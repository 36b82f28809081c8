import { open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration, samplePassword } from './__fixtures__/command-line-run.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
beforeEach(async () => {
  here = await commandLineOf(sampleConfiguration)
})
afterEach(() => here[Symbol.asyncDispose]())

test('restore and files say when the newest backup is not the one they take, because its record is damaged', async () => {
  await here.run(['run', 'shop'])
  const { lines } = await here.run(['run', 'shop', '--json'])
  const { id } = (lines.at(-1) as { backup: { id: string } }).backup
  const folders = await readdir(join(here.directory, 'backups', 'shop'))
  const folder = folders.find((name) => name.endsWith(id)) ?? ''
  await writeFile(join(here.directory, 'backups', 'shop', folder, 'manifest.json'), '{}')
  const plan = await here.run(['restore', 'shop', '--to', 'scratch', '--plan'])
  expect(plan.stderr).toMatch(/^warning: CORRUPTED\n {2}this backup is left out: .*\n {2}hint: /)
  const files = await here.run(['files', 'shop', '--to', join(here.directory, 'files'), '--json'])
  expect(files.lines[0]).toMatchObject({ type: 'problem', problem: { code: 'CORRUPTED' } })
  expect(files.code).toBe(0)
  for (const argv of [
    ['restore', 'shop', '--to', 'scratch', '--backup', id],
    ['verify', 'shop', '--backup', id],
  ]) {
    const named = await here.run(argv)
    expect(named.stderr).toContain(`failed: CORRUPTED\n  backup "${id}" of job shop cannot be read: `)
    expect(named.code).toBe(1)
  }
})

test('a plan says that this host cannot read the backup, and nobody is asked to agree to it', async () => {
  await using other = await commandLineOf(
    sampleConfiguration.replace('./backups }', `./backups, encryption: { passphrase: "\${env:PASSPHRASE}", workFactor: 10 } }`),
  )
  const environment = { SAMPLE_PASSWORD: samplePassword, XDG_STATE_HOME: other.directory, PASSPHRASE: 'the right one' }
  await other.run(['run', 'shop'], { environment })
  const wrong = { environment: { ...environment, PASSPHRASE: 'another one' } }
  const plan = await other.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--plan'], wrong)
  expect(plan.stdout).toMatch(
    /\nerror: WRONG_CREDENTIALS\n.*does not open shop.*\n {2}hint: .*\nthis would restore nothing: the plan has 1 error\n$/,
  )
  expect(plan.code).toBe(1)
  const restore = await other.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--json'], wrong)
  expect(restore.lines).toMatchObject([{ type: 'result', report: null, plan: { problems: [{ code: 'WRONG_CREDENTIALS' }] } }])
  expect(restore.code).toBe(1)
})

describe('with a backup', () => {
  let id: string
  beforeEach(async () => {
    const { lines, code, stderr } = await here.run(['run', 'shop', '--json'])
    expect(stderr).toContain('complete: full backup')
    expect(code).toBe(0)
    id = idIn(lines)
    expect(lines.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['started', 'item', 'bytes', 'stored', 'confirmed', 'finished', 'result']),
    )
    expect(here.server.confirmed).toBe(1)
  })

  test('list shows it', async () => {
    const { stdout, code } = await here.run(['list'], { now: () => Date.now() + 3_600_000 })
    expect(stdout).toMatch(
      new RegExp(
        `^JOB +ID +TIME +KIND +STATUS +ITEMS +SIZE +STORED +AGE\nshop +${id} +\\S+Z +full +complete +2 +16 B +\\d\\S* K?i?B +1h\n$`,
      ),
    )
    expect(code).toBe(0)
    expect((await here.run(['list', 'shop', '--json'])).lines).toMatchObject([
      { type: 'backup', repository: 'local', backup: { id } },
      { type: 'result', backups: 1 },
    ])
  })

  test('a record that cannot be read is told, and the others are listed', async () => {
    const records = (await readdir(join(here.directory, 'backups'), { recursive: true })).filter((name) => name.endsWith('manifest.json'))
    expect(records).toHaveLength(1)
    await here.run(['run', 'shop'])
    await writeFile(join(here.directory, 'backups', records[0] ?? ''), '{ "format": ')
    const { code, stdout, stderr } = await here.run(['list'])
    expect(stdout).toMatch(/^JOB.*\nshop .*\n$/)
    expect(stdout).not.toContain(id)
    expect(stderr).toMatch(/: CORRUPTED\n {2}.*\n {2}hint: /)
    expect(code).toBe(3)
  })

  test('verify reads it, and finds damage', async () => {
    expect(await here.run(['verify', '--read-data'])).toMatchObject({ code: 0, stdout: '1 backup read and whole, 0 errors\n' })
    await damage(join(here.directory, 'backups'))
    const damaged = await here.run(['verify', 'shop', '--read-data'])
    expect(damaged.stderr).toContain('error: CORRUPTED')
    expect(damaged.code).toBe(1)
  })

  test('restore --plan says what would be done and what stands against it', async () => {
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--plan'])
    expect(stdout).toContain(`from the full backup ${id}`)
    expect(stdout).toContain('error: ALREADY_EXISTS\n  orders, notes is there\n  hint: Pass --overwrite')
    expect(stdout).toMatch(/\n--rename OLD=NEW restores beside what is there; --overwrite replaces it\n$/)
    expect(code).toBe(1)
    expect(await here.run(['restore', 'shop', '--to', 'source', '--item', 'notes', '--rename', 'notes=old', '--plan'])).toMatchObject({
      code: 0,
    })
  })

  test('a restore that replaces nothing needs no agreement', async () => {
    const { code, stdout } = await here.run([
      'restore',
      'shop',
      '--to',
      'source',
      '--item',
      'notes',
      '--rename',
      'notes=old',
      '--backup',
      id,
    ])
    expect(stdout).toContain('restored: notes as old, 1 of 1 check passed')
    expect(code).toBe(0)
    expect(Object.fromEntries(here.server.databases)).toEqual({ orders: 'ten orders', notes: 'a note', old: 'a note' })
  })

  test('choices of the agent reach its plan', async () => {
    const argv = ['restore', 'shop', '--to', 'source', '--overwrite', '--plan', '--json', '--table', 'orders.b', '--table', 'orders.d.e']
    const { lines } = await here.run([...argv, '--option', 'threads=8', '--option', 'users=none', '--option', 'map={"a":[1]}'])
    expect(lines.at(-1)).toMatchObject({
      plan: { request: { options: { tables: ['orders.b', 'orders.d.e'], threads: 8, users: 'none', map: { a: [1] } } } },
    })
  })

  test('who asks for tables gets nothing of other databases, and is told the nearest one', async () => {
    const argv = ['restore', 'shop', '--to', 'source', '--overwrite', '--plan', '--json', '--table']
    const itemsOf = async (...more: string[]) => {
      const { lines } = await here.run([...argv, ...more])
      const plan = lines.at(-1)?.plan as { readonly items: readonly { readonly item: string }[] } | undefined
      return plan?.items.map(({ item }) => item)
    }
    expect(await itemsOf('notes.a')).toEqual(['notes'])
    expect(await itemsOf('*.a')).toEqual(['orders', 'notes'])
    expect(await itemsOf('notes.a', '--item', 'orders')).toEqual(['orders'])
    const { code, stderr } = await here.run([...argv, 'note.a'])
    expect(stderr).toContain('Did you mean "notes"?')
    expect(code).toBe(1)
  })

  test('nothing is replaced without --overwrite, not even with --yes', async () => {
    here.server.databases.set('notes', 'newer')
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--yes'])
    expect(stdout).toBe(
      'nothing was restored: the plan has errors\n--rename OLD=NEW restores beside what is there; --overwrite replaces it\n',
    )
    expect(code).toBe(1)
    expect(here.server.databases.get('notes')).toBe('newer')
  })

  test('replacing has to be agreed to: by typing the name, or by --yes where nobody can be asked', async () => {
    here.server.databases.set('notes', 'newer')
    const argv = ['restore', 'shop', '--to', 'scratch', '--overwrite']
    expect(await here.run(argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes to agree') })
    expect(await here.run(argv, { answer: 'yes' })).toMatchObject({ code: 2, stderr: expect.stringContaining('the name was not typed') })
    expect(here.server.databases.get('notes')).toBe('newer')
    expect(await here.run(argv, { answer: 'scratch' })).toMatchObject({ code: 0 })
    expect(here.server.databases.get('notes')).toBe('a note')
    here.server.databases.set('notes', 'newer')
    expect(await here.run([...argv, '--yes'])).toMatchObject({ code: 0 })
    expect(here.server.databases.get('notes')).toBe('a note')
  })

  test('a restore whose checks differ has failed', async () => {
    here.server.fault = 'wrong-checks'
    const { code, stdout } = await here.run(['restore', 'shop', '--to', 'source', '--overwrite', '--yes'])
    expect(stdout).toContain('differs: length, expected 10, found 0')
    expect(stdout).toMatch(/\nrestored 0 of 2 items of \S+ on sample\nNOT restored: orders, notes\n$/)
    expect(code).toBe(1)
  })

  test('files are unpacked into a folder for each item', async () => {
    const to = join(here.directory, 'files')
    const { code, stdout } = await here.run(['files', 'shop', '--to', to, '--item', 'orders'])
    expect(stdout).toBe(`files of backup ${id} are in ${to}\n`)
    expect(code).toBe(0)
    expect(await readFile(join(to, 'orders', 'text.txt'), 'utf8')).toBe('ten orders')
  })
})

test('a run with one failed item is partial, and only the others can be restored', async () => {
  here.server.fault = 'one-item-fails'
  const { code, stdout, stderr } = await here.run(['run', 'shop'])
  expect(stderr).toContain('"orders" is marked as crashed\n  hint: Repair orders.')
  expect(stdout).toContain('partial: full backup')
  expect(code).toBe(3)
  expect(here.server.confirmed).toBe(0)
  expect((await here.run(['list'])).stdout).toContain('partial  1 of 2')

  delete here.server.fault
  await here.run(['run', 'shop'])
  const plan = await here.run(['run', 'shop', '--plan'])
  expect(plan.stdout).toContain('why full: it follows complete\n')
})

test('a restore of which some items fail ends with 3, and names them at the very end', async () => {
  await here.run(['run', 'shop'])
  here.server.fault = 'one-restore-fails'
  const { code, stdout, lines } = await here.run(['restore', 'shop', '--to', 'scratch', '--rename', 'orders=old', '--overwrite', '--yes'])
  expect(stdout).toMatch(
    /^restored: notes, 1 of 1 check passed\nfailed: APPLICATION \(orders as old\)\n.*\n {2}hint: .*\nrestored 1 of 2 items of \S+ on scratch\nNOT restored: orders as old\n$/,
  )
  expect(code).toBe(3)
  expect(lines).toEqual([])
})

test('what failed when it was backed up is named at the end of a restore of everything, and ends it with 3', async () => {
  here.server.fault = 'one-item-fails'
  await here.run(['run', 'shop'])
  delete here.server.fault
  const argv = ['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes']
  const all = await here.run(argv)
  expect(all.stdout).toMatch(/restored 1 of 2 items of .*\nNOT restored, because they are not whole in this backup: orders\n$/)
  expect(all.code).toBe(3)
  expect(await here.run([...argv, '--item', 'notes'])).toMatchObject({ code: 0 })
  const files = await here.run(['files', 'shop', '--to', join(here.directory, 'files')])
  expect(files).toMatchObject({ code: 3, stdout: expect.stringContaining('failed when they were backed up: orders\n') })
})

test('the same problem is told once, whether the plan, the run or the report found it', async () => {
  await here.run(['run', 'shop'])
  here.server.restoreProblems = [
    { severity: 'warning', code: 'CONFLICT', message: 'account root exists on the target', hint: 'Nothing to do.' },
  ]
  const { code, stdout, stderr } = await here.run(['restore', 'shop', '--to', 'scratch', '--overwrite', '--yes'])
  expect(`${stdout}${stderr}`.match(/account root exists/g)).toHaveLength(1)
  expect(code).toBe(0)
})

function idIn(lines: readonly Record<string, unknown>[]): string {
  return (lines.find(({ type }) => type === 'result') as { backup: { id: string } }).backup.id
}

async function damage(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true })
  const archive = names.find((name) => /orders.*\.tar\.zst/.test(name))
  await using file = await open(join(folder, archive ?? ''), 'r+')
  const { size } = await file.stat()
  await file.write(Buffer.from([0xff, 0x00, 0xff]), 0, 3, Math.floor(size / 2))
}
