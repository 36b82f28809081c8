import { chmod, copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createEvidenceKey } from '@backup-planet/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf } from './__fixtures__/command-line-run.ts'
import { memoryConfiguration, memoryPlugin, memoryServers } from './__fixtures__/memory-plugin.ts'

let here: Awaited<ReturnType<typeof commandLineOf>>
let plugins: Parameters<typeof here.run>[1]
beforeEach(async () => {
  here = await commandLineOf(memoryConfiguration)
  plugins = { plugins: [memoryPlugin(memoryServers())] }
  expect(await here.run(['run', 'shop'], plugins)).toMatchObject({ code: 0 })
})
afterEach(() => here[Symbol.asyncDispose]())

const run = (...argv: readonly string[]) => here.run(argv, plugins)

async function configure(more: string): Promise<void> {
  await writeFile(here.file, `${memoryConfiguration}${more}`, { mode: 0o600 })
}

async function archives(): Promise<readonly string[]> {
  return (await readdir(here.directory, { recursive: true })).filter((name) => /\.tar(\.\w+)*$/.test(name))
}

async function manifests(): Promise<readonly string[]> {
  const names = await readdir(here.directory, { recursive: true })
  return names.filter((name) => name.endsWith('manifest.json')).sort()
}

test('a damaged backup: exit code 1, the reason at the end, and a record of it that verifies', async () => {
  for (const name of await archives()) {
    const file = join(here.directory, name)
    const bytes = await readFile(file)
    bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0xff
    await chmod(file, 0o600)
    await writeFile(file, bytes)
  }
  const drilled = await run('drill', 'shop')
  expect(drilled.code).toBe(1)
  expect(drilled.stdout).toMatch(/\nCORRUPTED: .*\n {2}hint: .*\nfailed: drill of job shop\n$/s)
  const listed = await run('evidence', 'shop', '--verify')
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/ failed .* verified +CORRUPTED: /) })
})

test('a damaged record beside it: exit code 1 for the latest state, 3 for a backup that was named', async () => {
  const [whole = ''] = await manifests()
  expect(await run('run', 'shop')).toMatchObject({ code: 0 })
  const damaged = join(here.directory, (await manifests()).find((name) => dirname(name) > dirname(whole)) ?? '')
  await chmod(damaged, 0o600)
  await writeFile(damaged, '{')
  const latest = await run('drill', 'shop')
  expect(latest.code).toBe(1)
  expect(latest.stdout).toMatch(/\nCORRUPTED: not every backup of the job can be read: .*\n {2}hint: .*\nfailed: drill of job shop\n$/s)
  const id = /\d{8}T\d{6}Z-\w+/.exec((await run('list')).stdout)?.[0] ?? ''
  const named = await run('drill', 'shop', '--backup', id)
  expect(named).toMatchObject({ code: 3, stdout: expect.stringMatching(/\npartial: drill of job shop\n$/) })
})

test('a backup that restores: exit code 0, and a key that is made once and whose public half is told', async () => {
  const first = await run('drill', 'shop')
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/\npassed: drill of job shop\n$/) })
  expect(first.stderr).toContain('-----BEGIN PUBLIC KEY-----')
  expect(first.stdout + first.stderr).not.toContain('PRIVATE')
  const [key = ''] = (await readdir(here.directory, { recursive: true })).filter((name) => name.endsWith('evidence.key'))
  if (process.platform !== 'win32') expect((await stat(join(here.directory, key))).mode & 0o777).toBe(0o600)
  const second = await run('drill', 'shop', '--random', '--seed', '7', '--json')
  expect(second.stderr).not.toContain('PUBLIC KEY')
  expect(second.lines.at(-1)).toMatchObject({
    command: 'drill',
    evidence: { outcome: 'passed', goal: { random: 7 } },
    stored: [{ key: expect.stringMatching(/^drills\/shop\//) }, { key: expect.stringMatching(/^drills\/shop\//) }],
  })

  const publicKey = /-----BEGIN PUBLIC KEY-----.*-----END PUBLIC KEY-----/s.exec(first.stderr)?.[0] ?? ''
  const file = join(here.directory, 'evidence.pub')
  await writeFile(file, publicKey)
  expect(await run('evidence', 'shop', '--verify', '--public-key', file)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 of 2 records verified'),
  })
  await writeFile(file, createEvidenceKey().publicKey)
  const other = await run('evidence', 'shop', '--verify', '--public-key', file)
  expect(other).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('NOT VERIFIED'),
    stderr: expect.stringContaining('WRONG_CREDENTIALS'),
  })
  expect(await run('list')).toMatchObject({ code: 0, stdout: expect.not.stringContaining('drill') })
})

test('one changed byte of a record is found', async () => {
  expect(await run('drill', 'shop')).toMatchObject({ code: 0 })
  const [name = ''] = (await readdir(here.directory, { recursive: true })).filter((one) => /drills.*\.json$/.test(one))
  const file = join(here.directory, name)
  const text = await readFile(file, 'utf8')
  await chmod(file, 0o600)
  await writeFile(file, text.replace('"outcome":"passed"', '"outcome":"failed"'))
  expect(await run('evidence', 'shop', '--verify')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('was changed after it was signed'),
  })
  await writeFile(file, text.slice(1))
  expect(await run('evidence', 'shop', '--verify')).toMatchObject({ code: 1, stderr: expect.stringContaining('is damaged') })
  expect(await run('evidence', 'shop')).toMatchObject({ code: 3 })
})

test('records of one job prove nothing of another, although the same key has signed them', async () => {
  const other = memoryConfiguration.replace('{ shop: {', '{ crm: {')
  await writeFile(here.file, other, { mode: 0o600 })
  expect(await run('run', 'crm')).toMatchObject({ code: 0 })
  expect(await run('drill', 'crm')).toMatchObject({ code: 0 })
  await writeFile(here.file, memoryConfiguration, { mode: 0o600 })
  for (const name of await readdir(here.directory, { recursive: true })) {
    if (!/drills\/crm\/.*\.json$/.test(name)) continue
    const copied = join(here.directory, name.replace('drills/crm/', 'drills/shop/'))
    await mkdir(dirname(copied), { recursive: true })
    await copyFile(join(here.directory, name), copied)
  }
  const listed = await run('evidence', 'shop', '--verify')
  expect(listed).toMatchObject({ code: 1, stdout: expect.stringContaining('0 of 0 records verified') })
  expect(listed.stderr).toContain('of job crm')
})

test('a key of the configuration signs, and --new-key never replaces one', async () => {
  const file = join(here.directory, 'my.key')
  const made = await run('evidence', '--new-key', file)
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^-----BEGIN PUBLIC KEY-----\n/) })
  expect(await run('evidence', '--new-key', file)).toMatchObject({ code: 1, stderr: expect.stringContaining('ALREADY_EXISTS') })
  await configure(`evidence: { key: "\${file:${file}}" }\n`)
  const drilled = await run('drill', 'shop')
  expect(drilled).toMatchObject({ code: 0 })
  expect(drilled.stderr).not.toContain('PUBLIC KEY')
  const publicFile = join(here.directory, 'my.pub')
  await writeFile(publicFile, made.stdout)
  expect(await run('evidence', 'shop', '--verify', '--public-key', publicFile)).toMatchObject({ code: 0 })
})

test('without any record there is nothing to verify', async () => {
  expect(await run('evidence', 'shop')).toMatchObject({ code: 0, stdout: 'no drill of job shop yet\n' })
  expect(await run('evidence', 'shop', '--verify')).toMatchObject({ code: 2, stderr: expect.stringContaining('--public-key') })
})

test.each([
  [['drill', 'shop', '--at', '2026-01-01T00:00:00Z', '--random'], 'exclude each other'],
  [['drill', 'shop', '--seed', 'x'], 'no whole number'],
  [['drill', 'shop', '--to', 'source'], 'does not burden'],
  [['drill', 'nosuch'], 'no job'],
  [['evidence'], 'no job is named'],
  [['evidence', 'shop', '--public-key', 'x'], '--verify'],
])('%s is a mistake of usage', async (argv, said) => {
  expect(await run(...argv)).toMatchObject({ code: 2, stderr: expect.stringContaining(said) })
})
