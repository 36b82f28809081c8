import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { backupPlanet, type CommandOutcome } from './backup-planet-process.ts'
import { createJobUnderTest, type JobUnderTest, jobName } from './job-under-test.ts'
import { seededRandom, sweepOf } from './sweep.ts'

const sweep = sweepOf('DAMAGE', 6)
let server: ThrowawayMariadb
let job: JobUnderTest
let pristine: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  job = await createJobUnderTest(server)
  const run = await command('run', jobName)
  expect(run.exitCode, run.stderr).toBe(0)
  pristine = path.join(job.folder, 'pristine')
  await copyTree(job.repositoryFolder, pristine)
})

afterAll(async () => {
  await job?.[Symbol.asyncDispose]()
  await server?.stop()
})

function command(...words: string[]): Promise<CommandOutcome> {
  return backupPlanet([...words, '--config', job.configurationFile], job.environment)
}

async function copyTree(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const source = path.join(entry.parentPath, entry.name)
    const target = path.join(to, path.relative(from, source))
    if (entry.isDirectory()) continue
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 })
    await copyFile(source, target)
  }
}

const damages = {
  'one bit flipped': async (file: string, random: () => number) => {
    const bytes = await readFile(file)
    const place = Math.floor(random() * bytes.length)
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << Math.floor(random() * 8)), place)
    await writeFile(file, bytes)
  },
  'cut short': async (file: string, random: () => number) => {
    const { length } = await readFile(file)
    await truncate(file, Math.floor(random() * length))
  },
  removed: (file: string) => rm(file),
}

it(`finds ${sweep.count} random damages of every kind, and never restores one as if it were whole (seed ${sweep.seed})`, {
  timeout: 60_000 + 60_000 * sweep.count,
}, async () => {
  const random = seededRandom(sweep.seed)
  const kinds = Object.entries(damages)
  for (let round = 0; round < sweep.count; round++) {
    await copyTree(pristine, job.repositoryFolder)
    const entries = await readdir(job.repositoryFolder, { recursive: true, withFileTypes: true })
    // The identity file of the job belongs to no backup: each has a copy of its own, which is damaged here like everything else.
    const ofJob = path.join(job.repositoryFolder, jobName, 'identity.age')
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => file !== ofJob)
      .sort()
    const file = files[Math.floor(random() * files.length)] ?? ''
    const [kind, damage] = kinds[round % kinds.length] ?? kinds[0] ?? ['', async () => undefined]
    await damage(file, random)
    const label = `round ${round}: ${path.basename(file)} ${kind}`

    const verified = await command('verify', '--read-data')
    const gone = path.basename(file) === 'manifest.json' && kind === 'removed'
    // Without its manifest a backup does not exist; what is left of it is only worth a warning.
    if (gone) expect(verified.stderr + verified.stdout, label).toContain('warning')
    else {
      expect(verified.exitCode, label).toBe(1)
      expect(verified.stderr + verified.stdout, label).toMatch(/CORRUPTED|NOT_FOUND/)
    }
    if (path.basename(file) === 'RESTORE.md') continue

    const copy = `copy_${round}`
    const restored = await command('restore', jobName, '--to', 'scratch', '--rename', `bank=${copy}`, '--yes')
    expect(restored.exitCode, label).not.toBe(0)
    expect(restored.stderr, label).toMatch(/CORRUPTED|NOT_FOUND/)
    expect(restored.stderr, label).toMatch(/hint: [A-Z]/)
  }
})

it('refuses a wrong passphrase at once, for every command that reads', async () => {
  await copyTree(pristine, job.repositoryFolder)
  const words = ['--config', job.configurationFile]
  const environment = { ...job.environment, PROOF_PASSPHRASE: 'not the passphrase' }
  const commands = [
    ['restore', jobName, '--to', 'scratch', '--rename', 'bank=other', '--yes'],
    ['files', jobName, '--to', path.join(job.folder, 'files')],
    ['verify', '--read-data'],
  ]
  for (const words_ of commands) {
    const outcome = await backupPlanet([...words_, ...words], environment)
    expect(outcome.exitCode, words_.join(' ')).toBe(1)
    expect(outcome.stderr + outcome.stdout, words_.join(' ')).toContain('WRONG_CREDENTIALS')
    expect(outcome.stderr + outcome.stdout).not.toContain('not the passphrase')
  }
  expect(await server.client("SHOW DATABASES LIKE 'other'")).toBe('')
})
