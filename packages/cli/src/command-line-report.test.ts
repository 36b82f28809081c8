import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createDirectoryUploader, createEvidenceKey, type DrillEvidence, signEvidence, storeEvidence } from '@backup-planet/core'
import { cheapResticPassword } from '@backup-planet/tooling/cheap-restic-repository'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { commandLineOf, sampleConfiguration } from './__fixtures__/command-line-run.ts'
import { commandLineWithRestic, removeResticTemplate } from './__fixtures__/restic-configuration.ts'
import type { ReportData } from './report/report-data.ts'

const configuration = sampleConfiguration
  .replace('jobs:', '  offsite: { kind: archive, destination: ./offsite }\njobs:')
  .replace('repository: local', 'repository: local\n    mirrors: [offsite]')
let here: Awaited<ReturnType<typeof commandLineOf>>
let file: string
beforeEach(async () => {
  here = await commandLineOf(configuration)
  file = join(here.directory, 'report.html')
})
afterEach(() => here[Symbol.asyncDispose]())
afterAll(removeResticTemplate)

const sampleEvidence: DrillEvidence = {
  format: 'backup-planet/drill-evidence/1',
  id: 'd',
  job: 'shop',
  application: 'sample',
  host: 'backup1',
  beganAt: '2026-12-01T00:00:00.000Z',
  endedAt: '2026-12-01T00:01:00.000Z',
  seconds: 60,
  goal: { latest: true },
  chain: [],
  bytes: 100,
  items: [],
  engineChecks: [],
  problems: [],
  outcome: 'passed',
  versions: { software: '1', agent: '1', node: '24' },
}

test('a job without backups is told as an error in the page, and the command is done', async () => {
  const { code, stdout } = await here.run(['report', '--html', file])
  expect(stdout).toContain('report.html: 1 job, 1 error, ')
  expect(await readFile(file, 'utf8')).toContain('There is no backup of job shop')
  expect(code).toBe(0)
})

test('a page of what is there, for its owner alone, and nothing beside it', async () => {
  expect((await here.run(['run', 'shop'])).code).toBe(0)
  await writeFile(file, 'an old one', { mode: 0o644 })
  const { code, lines } = await here.run(['report', 'shop', '--html', file, '--json'])
  expect(code).toBe(0)
  const data = lines.at(-1)?.report as ReportData
  expect(data.jobs).toMatchObject([
    {
      job: 'shop',
      problems: [],
      backups: [{ kind: 'full', items: 2, repositories: ['local', 'offsite'] }],
      restorable: [{ items: ['notes', 'orders'] }],
    },
  ])
  const page = await readFile(file, 'utf8')
  expect(page).toContain(data.jobs[0]?.backups[0]?.id)
  expect(page).toContain('Nothing that needs you was found')
  if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await readdir(here.directory)).filter((name) => name.includes('report'))).toEqual(['report.html'])
})

test('a repository that cannot be reached is told in the page, which has what is in the others: 3', async () => {
  expect((await here.run(['run', 'shop'])).code).toBe(0)
  await rm(join(here.directory, 'offsite'), { recursive: true })
  await writeFile(join(here.directory, 'offsite'), 'a file')
  const { code, stderr } = await here.run(['report', '--html', file])
  expect(code).toBe(3)
  expect(stderr).toContain('the repository "offsite" cannot be listed')
  const page = await readFile(file, 'utf8')
  expect(page).toContain('The repository &quot;offsite&quot; cannot be listed')
  expect(page).toContain('Complete')
  expect(page).toContain('Not readable')
})

test('a page that cannot be written is told, with what to do', async () => {
  const { code, stderr } = await here.run(['report', '--html', join(here.directory, 'nowhere', 'report.html')])
  expect(stderr).toContain('failed: NOT_FOUND')
  expect(stderr).toContain('hint: Make the folder it is to lie in')
  expect(code).toBe(1)
})

test('a secret in a name of an item does not come into the page', async () => {
  await using restic = await commandLineWithRestic()
  restic.server.databases.set(`db ${cheapResticPassword}`, 'x')
  expect((await restic.run(['run', 'safe'])).code).toBe(0)
  const { code, stdout } = await restic.run(['report', 'safe', '--html', file, '--json'])
  expect(code).toBe(0)
  const page = await readFile(file, 'utf8')
  expect(page).toContain('db ***')
  expect(page + stdout).not.toContain(cheapResticPassword)
  expect(page).toMatch(/restic<\/span><\/td>.*\d : 1<\/span>/)
})

test('records are checked with the own key where there is one, and shown unchecked where it cannot be read', async () => {
  const { privateKey, publicKey } = createEvidenceKey()
  expect((await here.run(['run', 'shop'])).code).toBe(0)
  await using offsite = createDirectoryUploader({ directory: join(here.directory, 'offsite') })
  await storeEvidence(offsite, signEvidence({ ...sampleEvidence, id: '20261201T000000Z-own' }, privateKey))
  await storeEvidence(offsite, signEvidence({ ...sampleEvidence, id: '20261202T000000Z-other' }, createEvidenceKey().privateKey))
  const configuration = await readFile(here.file, 'utf8')
  const signatures = async (evidence: string) => {
    await writeFile(here.file, `${configuration}${evidence}`)
    const { code, lines, stderr } = await here.run(['report', '--json'])
    const report = lines.at(-1)?.report as ReportData
    return { code, stderr, signatures: report.jobs[0]?.drills.map(({ signature }) => signature) }
  }
  expect(await signatures('')).toMatchObject({ code: 0, signatures: ['unchecked', 'unchecked'] })
  await writeFile(join(here.directory, 'my.pub'), publicKey, { mode: 0o600 })
  const named = `evidence: { publicKey: "\${file:${join(here.directory, 'my.pub')}}" }\n`
  expect(await signatures(named)).toMatchObject({ code: 0, signatures: ['refused', 'verified'] })
  await writeFile(join(here.directory, 'my.pub'), 'no key')
  for (const evidence of [named, `evidence: { key: "\${env:NO_SUCH_KEY}" }\n`]) {
    const unread = await signatures(evidence)
    expect(unread).toMatchObject({ code: 3, signatures: ['unchecked', 'unchecked'] })
    expect(unread.stderr).toContain('records of drills are not checked')
  }
  await writeFile(join(here.directory, 'staging', 'evidence.key'), privateKey, { mode: 0o600 })
  expect(await signatures('')).toMatchObject({ code: 0, signatures: ['refused', 'verified'] })
})

test('records of drills are shown, and those that another key has signed are refused', async () => {
  const { privateKey, publicKey } = createEvidenceKey()
  const key = join(here.directory, 'evidence.pub')
  await writeFile(key, publicKey)
  expect((await here.run(['run', 'shop'])).code).toBe(0)
  await using offsite = createDirectoryUploader({ directory: join(here.directory, 'offsite') })
  await storeEvidence(offsite, signEvidence({ ...sampleEvidence, id: '20261201T000000Z-right' }, privateKey))
  expect((await here.run(['report', '--html', file])).code).toBe(0)
  expect(await readFile(file, 'utf8')).toMatch(/20261201T000000Z-right/)
  await storeEvidence(offsite, signEvidence({ ...sampleEvidence, id: '20261202T000000Z-wrong' }, createEvidenceKey().privateKey))
  const { lines } = await here.run(['report', '--json', '--public-key', key])
  const report = lines.at(-1)?.report as ReportData
  const { drills, problems } = report.jobs[0] ?? {}
  expect(drills).toMatchObject([
    { id: '20261202T000000Z-wrong', signature: 'refused', repositories: ['offsite'] },
    { id: '20261201T000000Z-right', signature: 'verified' },
  ])
  expect(problems).toContainEqual(expect.objectContaining({ code: 'WRONG_CREDENTIALS', severity: 'error' }))
})
