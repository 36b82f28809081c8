import { type Backup, BackupError, type Finding } from '@backup-planet/core'
import { bytesOf } from '@backup-planet/core/testing'
import { expect } from 'vitest'
import { goodContents, type HostileRepository } from './hostile-repository.ts'
import { filesOf, findingsOf, listing, openUploader, restored, restoredAtOnce, storeContents } from './small-repository.ts'

export interface HostileFindings {
  /** Of `verify`, with and without reading the data. */
  readonly errors: readonly Finding[]
  readonly whole: readonly (string | undefined)[]
}

/** What is seen of a repository in which somebody wrote what nobody should: the good backup is whole, and every error says what to do. */
export async function expectGoodBackup(hostile: HostileRepository, { readData }: { readonly readData: boolean }): Promise<HostileFindings> {
  const findings = await findingsOf(openUploader(hostile.uploader), { readData })
  const errors = findings.filter(({ severity }) => severity === 'error')
  for (const { message, hint, code } of errors) {
    expect(hint, message).toMatch(/^[A-Z].+\.$/)
    expect(code, message).toBeDefined()
  }
  const repository = openUploader(hostile.uploader)
  const { backups, problems } = await listing(repository)
  for (const { hint, message } of problems) expect(hint, message).toMatch(/^[A-Z].+\.$/)
  const good = backups.find(({ id }) => id === 'run-good')
  expect(good).toBeDefined()
  if (good !== undefined) expect(await restoredAtOnce(repository, good)).toEqual(filesOf(goodContents))
  const whole = findings.filter(({ severity }) => severity === 'ok').map(({ backup }) => backup)
  expect(whole).toContain('run-good')
  return { errors, whole }
}

export interface Refusal {
  /** What reading a file of `run-bad` gives, where only what lies beside it is bad; an error with a hint when left out. */
  readonly right?: Uint8Array
  /** Nothing can be known before the data is read. */
  readonly onlyByReading?: boolean
}

/** `run-bad` is told as damaged, and each of its files is an error with a hint. */
export async function expectRefused(
  hostile: HostileRepository,
  reason: RegExp,
  { right, onlyByReading = false }: Refusal = {},
): Promise<void> {
  for (const readData of onlyByReading ? [true] : [false, true]) {
    const { errors, whole } = await expectGoodBackup(hostile, { readData })
    expect(whole).toEqual(['run-good'])
    expect(errors.map(({ message }) => message).join('\n')).toMatch(reason)
    expect(errors.map(({ backup }) => backup)).toContain('run-bad')
  }
  for (const { outcome } of await filesOfBadBackup(hostile)) {
    if (right === undefined) expectError(outcome, reason)
    else expect(outcome).toEqual(right)
  }
}

/** What somebody else wrote is in nobody's way. */
export async function expectNextBackup({ uploader }: HostileRepository): Promise<void> {
  const repository = openUploader(uploader)
  const next = await storeContents(repository, 'run-next', goodContents)
  expect(await restored(repository, next)).toEqual(filesOf(goodContents))
}

/** Every file that the manifest of `run-bad` names, and what reading it gave; none where it is not even listed. */
export async function filesOfBadBackup({ uploader }: HostileRepository): Promise<{ readonly name: string; readonly outcome: unknown }[]> {
  const repository = openUploader(uploader)
  const bad: Backup | undefined = (await listing(repository)).backups.find(({ id }) => id === 'run-bad')
  const outcomes: { readonly name: string; readonly outcome: unknown }[] = []
  for (const { item, files = [] } of bad?.items ?? []) {
    for (const { name } of files) {
      if (bad === undefined) continue
      outcomes.push({ name, outcome: await bytesOf(repository.open(bad, { item, name })).catch((error: unknown) => error) })
      const all = restoredAtOnce(repository, bad)
      outcomes.push({ name, outcome: await all.then((read) => read.get(`${item}/${name}`)).catch((error: unknown) => error) })
    }
  }
  return outcomes
}

export function expectError(outcome: unknown, reason: RegExp): void {
  expect(BackupError.is(outcome), String(outcome)).toBe(true)
  expect(outcome).toMatchObject({ code: 'CORRUPTED', message: expect.stringMatching(reason), hint: expect.stringMatching(/^[A-Z].+\.$/) })
}

/** How many bytes more this process has ever taken, at most, once `work` is done. */
export async function memoryOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS
  // Else whatever the work takes would be hidden by what was taken before.
  expect(before * 1024, 'bytes that were taken before').toBeLessThan(700 * 1024 ** 2)
  await work()
  return (process.resourceUsage().maxRSS - before) * 1024
}
