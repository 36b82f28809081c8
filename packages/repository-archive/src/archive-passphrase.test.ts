import { randomBytes } from 'node:crypto'
import type { Backup } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { Encrypter } from 'age-encryption'
import { describe, expect, it, vi } from 'vitest'
import { testIdentity as identity } from './__fixtures__/test-identity.ts'
import { findingsOf, readAll, stageOf, storeStage, type TestFile, testRun } from './__fixtures__/test-stage.ts'
import { createArchiveRepository } from './archive-repository.ts'
import type { ArchiveSettings } from './archive-settings.ts'
import { sha256Of } from './byte-streams.ts'

// Starting a process a hundred times would take most of the time here; passphrase-process.test.ts and e2e/ do start it.
vi.mock('./passphrase-process-start.ts', async () => ({ inProcess: (await import('./passphrase-task.ts')).performTask }))

const file: TestFile = { item: 'shop', name: 'rows', bytes: randomBytes(3000) }
const run = (number: number) => ({ ...testRun, id: `run-${number}`, beganAt: new Date(Date.UTC(2026, 0, number)).toISOString() })

describe('a passphrase', () => {
  const right: ArchiveSettings = { encryption: { passphrase: 'right', workFactor: 10 } }
  const wrong: ArchiveSettings = { encryption: { passphrase: 'wrong', workFactor: 10 } }
  const jobFile = 'shop/identity.age'
  const bytesOf = (uploader: MemoryUploader, key: string) => Buffer.from(uploader.objects.get(key)?.bytes ?? [])
  const put = (uploader: MemoryUploader, key: string, bytes: Uint8Array) =>
    uploader.objects.set(key, { bytes, modifiedAt: new Date().toISOString(), sha256: sha256Of(bytes) })

  it('that is wrong is told before any data is read', async () => {
    const uploader = createMemoryUploader()
    const backup = await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]))
    const before = uploader.calls.download
    const refused = { code: 'WRONG_CREDENTIALS', hint: expect.stringContaining('encryption.passphrase') }
    await expect(readAll(createArchiveRepository({ uploader, ...wrong }), backup)).rejects.toMatchObject(refused)
    expect(uploader.calls.download - before).toBe(1)
    await expect(readAll(createArchiveRepository({ uploader }), backup)).rejects.toMatchObject(refused)
    const findings = await findingsOf(createArchiveRepository({ uploader, ...wrong }), { readData: true })
    expect(findings.map(({ severity, code }) => [severity, code])).toEqual([
      ['warning', 'WRONG_CREDENTIALS'],
      ['error', 'WRONG_CREDENTIALS'],
    ])
  })

  it('that is wrong never begins a backup, unless it was changed on purpose; then older backups keep theirs', async () => {
    const uploader = createMemoryUploader()
    const first = await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]), run(1))
    const objects = uploader.objects.size
    const changed = createArchiveRepository({ uploader, ...wrong })
    await expect(storeStage(changed, stageOf([file]), run(2))).rejects.toMatchObject({
      code: 'WRONG_CREDENTIALS',
      hint: expect.stringContaining(`remove the object ${jobFile}`),
    })
    expect(uploader.objects.size).toBe(objects)
    uploader.objects.delete(jobFile)
    const second = await storeStage(createArchiveRepository({ uploader, ...wrong }), stageOf([file]), run(2))
    expect((await readAll(createArchiveRepository({ uploader, ...wrong }), second)).size).toBe(1)
    expect((await readAll(createArchiveRepository({ uploader, ...right }), first)).size).toBe(1)
    await expect(readAll(createArchiveRepository({ uploader, ...wrong }), first)).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  })

  it('opens one identity file for all backups of a job, and reads each without the file of the job', async () => {
    const uploader = createMemoryUploader()
    const backups: Backup[] = []
    for (const number of [1, 2, 3])
      backups.push(await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]), run(number)))
    const copies = [...uploader.objects.keys()].filter((key) => key.endsWith('/identity.age'))
    expect(copies).toHaveLength(4)
    for (const key of copies) expect(bytesOf(uploader, key).equals(bytesOf(uploader, jobFile)), key).toBe(true)
    uploader.objects.delete(jobFile)
    const reader = createArchiveRepository({ uploader, ...right })
    const downloads: string[] = []
    const watched = {
      ...uploader,
      download(...parameters: Parameters<typeof uploader.download>) {
        downloads.push(parameters[0])
        return uploader.download(...parameters)
      },
    }
    const watching = createArchiveRepository({ uploader: watched, ...right })
    for (const backup of backups) {
      expect((await readAll(reader, backup)).size).toBe(1)
      expect((await readAll(watching, backup)).size).toBe(1)
    }
    expect(downloads.filter((key) => key.endsWith('identity.age'))).toHaveLength(1)
  })

  it('is not needed by who holds the identity itself', async () => {
    const uploader = createMemoryUploader()
    put(uploader, jobFile, await encryptedIdentity(identity, 'right'))
    const backup = await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]))
    expect((await readAll(createArchiveRepository({ uploader, identities: [identity] }), backup)).size).toBe(1)
    expect((await readAll(createArchiveRepository({ uploader, ...wrong, identities: [identity] }), backup)).size).toBe(1)
  })

  it.each(['cut', 'turned', 'empty', 'absurd work', 'no identity inside'])(
    'refuses an identity file of the job that is damaged (%s), and says how to go on',
    async (damage) => {
      const uploader = createMemoryUploader()
      const backup = await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]), run(1))
      const whole = bytesOf(uploader, jobFile)
      if (damage === 'cut') put(uploader, jobFile, whole.subarray(0, -1))
      else if (damage === 'empty') put(uploader, jobFile, Buffer.alloc(0))
      else if (damage === 'absurd work')
        put(uploader, jobFile, Buffer.from(whole.toString('latin1').replace(/(-> scrypt \S+) 10\n/, '$1 62\n'), 'latin1'))
      else if (damage === 'no identity inside') put(uploader, jobFile, await encryptedIdentity('hush-hush', 'right'))
      else {
        whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1
        put(uploader, jobFile, whole)
      }
      const store = storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]), run(2))
      await expect(store).rejects.toMatchObject({
        code: 'CORRUPTED',
        message: expect.not.stringContaining('hush'),
        hint: expect.stringContaining(`in the place of ${jobFile}`),
      })
      const reader = createArchiveRepository({ uploader, ...right })
      expect((await readAll(reader, backup)).size).toBe(1)
      expect(await findingsOf(reader, { readData: true })).toMatchObject([
        { severity: 'error', key: jobFile, code: 'CORRUPTED', hint: expect.stringContaining('Existing backups have a copy') },
        { severity: 'ok', backup: 'run-1' },
      ])
    },
  )

  it('finds any single bit turned and any cut in the copy of a backup', async () => {
    const uploader = createMemoryUploader()
    const backup = await storeStage(createArchiveRepository({ uploader, ...right }), stageOf([file]))
    const key = [...uploader.objects.keys()].find((candidate) => candidate.includes('run-1/identity.age')) ?? ''
    const whole = bytesOf(uploader, key)
    for (let at = 0; at < whole.length; at++) {
      const turned = Buffer.from(whole)
      turned[at] = (turned[at] ?? 0) ^ 1
      for (const bytes of [turned, whole.subarray(0, at)]) {
        put(uploader, key, bytes)
        await expect(readAll(createArchiveRepository({ uploader, ...right }), backup), `byte ${at}`).rejects.toMatchObject({
          code: 'CORRUPTED',
        })
      }
    }
  })
})

async function encryptedIdentity(text: string, passphrase: string): Promise<Uint8Array> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  encrypter.setScryptWorkFactor(10)
  return encrypter.encrypt(text)
}
