import { appendFile, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { currentOwner, ownedName } from '@backup-planet/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createUploadJournals, type UploadFacts } from './upload-journal.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-s3-journal-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const destination = 's3://bucket/prefix'
const facts: UploadFacts = {
  destination,
  key: 'folder/key',
  size: 100,
  sha256: 'a'.repeat(64),
  partBytes: 10,
  settings: 'f'.repeat(64),
  uploadId: 'upload',
  token: 'token',
  begunAt: '2026-01-01T00:00:00.000Z',
}
const part = (number: number) => ({ part: number, etag: `etag${number}`, md5: String(number).padStart(32, '0') })

async function onlyFile(): Promise<string> {
  const names = await readdir(directory)
  expect(names).toHaveLength(1)
  return join(directory, names[0] ?? '')
}

describe('a journal', () => {
  test('gives back what was noted, over several openings, and is for nobody else to read', async () => {
    const journals = createUploadJournals(join(directory, 'deep'), destination)
    expect(await journals.read(facts.key)).toBeUndefined()
    const journal = await journals.begin(facts)
    await Promise.all([journal.note(part(1)), journal.note(part(3))])
    await journal.close()
    const again = await journals.resume(facts.key)
    await again.note(part(2))
    await again.close()
    const found = await journals.read(facts.key)
    expect(found?.facts).toEqual(facts)
    expect([...(found?.parts.keys() ?? [])].sort()).toEqual([1, 2, 3])
    expect((await stat(join(directory, 'deep'))).mode & 0o777).toBe(0o700)
    await journals.remove(facts.key)
    await journals.remove(facts.key)
    expect(await readdir(join(directory, 'deep'))).toEqual([])
  })

  test('is whole up to any byte at which a crash cut it', async () => {
    const journals = createUploadJournals(directory, destination)
    const journal = await journals.begin(facts)
    for (let number = 1; number <= 3; number++) await journal.note(part(number))
    await journal.close()
    const file = await onlyFile()
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const whole = await readFile(file)
    const header = whole.indexOf('\n')
    for (let length = 0; length <= whole.byteLength; length++) {
      await writeFile(file, whole.subarray(0, length))
      const found = await journals.read(facts.key)
      if (length < header) {
        expect(found).toBeUndefined()
        continue
      }
      expect(found?.facts).toEqual(facts)
      for (const [number, noted] of found?.parts ?? []) expect(noted).toEqual(part(number))
      const again = await journals.resume(facts.key)
      await again.note(part(7))
      await again.close()
      expect((await journals.read(facts.key))?.parts.get(7)).toEqual(part(7))
    }
  })

  test('of another destination, of another kind or of nobody is not taken for one', async () => {
    const journals = createUploadJournals(directory, destination)
    await (await journals.begin(facts)).close()
    const file = await onlyFile()
    const text = await readFile(file, 'utf8')
    for (const other of [
      '',
      'null\n',
      '{}\n',
      text.replace('journal/1', 'journal/2'),
      text.replace(destination, 's3://other'),
      text.replace('folder/key', 'x'),
    ]) {
      await writeFile(file, other)
      expect(await journals.read(facts.key)).toBeUndefined()
    }
  })

  test('is stale when nothing was noted for long, and only then', async () => {
    const journals = createUploadJournals(directory, destination)
    expect(await createUploadJournals(join(directory, 'none'), destination).stale(0)).toEqual([])
    await (await journals.begin(facts)).close()
    const file = await onlyFile()
    expect(await journals.stale(3600)).toEqual([])
    await utimes(file, new Date(), new Date(Date.now() - 7_200_000))
    await writeFile(join(directory, 'something else'), 'x')
    await appendFile(join(directory, 'x.journal.0.part'), 'x')
    await utimes(join(directory, 'x.journal.0.part'), new Date(), new Date(0))
    expect(await journals.stale(3600)).toEqual([facts.key])
    expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([])
    expect(await createUploadJournals(directory, 's3://other').stale(3600)).toEqual([])
  })

  test('is for one at a time, of this process or another that lives, and for the next when that was killed', async () => {
    const journals = createUploadJournals(directory, destination)
    const other = createUploadJournals(directory, destination)
    const claim = await journals.claim(facts.key)
    expect(claim).toBeDefined()
    expect(await journals.claim(facts.key)).toBeUndefined()
    expect(await other.claim(facts.key)).toBeUndefined()
    const elsewhere = await other.claim('another key')
    expect(elsewhere).toBeDefined()
    await elsewhere?.release()
    const [name = ''] = await readdir(directory)
    await claim?.release()
    expect(await readdir(directory)).toEqual([])

    const owner = await currentOwner()
    const [prefix = ''] = name.split('~')
    const living = join(directory, ownedName(prefix, owner))
    await writeFile(living, '')
    expect(await journals.claim(facts.key)).toBeUndefined()
    expect(await readdir(directory)).toHaveLength(1)
    await rm(living)

    const before = join(directory, ownedName(prefix, { host: 'container-before', pid: 1, started: 'unknown' }))
    await writeFile(before, '')
    expect(await journals.claim(facts.key)).toBeUndefined()
    await utimes(before, new Date(), new Date(Date.now() - 600_000))
    await writeFile(join(directory, ownedName(prefix, { ...owner, pid: 2 ** 22 + 1 })), '')
    const next = await journals.claim(facts.key)
    expect(await readdir(directory)).toHaveLength(1)
    await next?.release()
    expect(await readdir(directory)).toEqual([])
  })
})
