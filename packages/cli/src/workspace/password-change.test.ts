import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BackupError, type Repository, type RepositoryKeys, type RepositoryLock } from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseConfiguration } from '../configuration/configuration-file.ts'
import { changeOwnPassword } from './password-change.ts'
import type { Workspace } from './workspace.ts'

const { signal } = new AbortController()

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-password-'))
  file = join(directory, 'password')
  await writeFile(file, 'old\n', { mode: 0o600 })
})
afterEach(() => rm(directory, { recursive: true }))

/** A repository in memory whose keys are their passwords, and that fails from its nth operation on as if the process were gone. */
class FakeRepository {
  /** By id. */
  readonly passwords = new Map([['key-1', 'old']])
  locks: readonly RepositoryLock[] = []
  allowed = Number.POSITIVE_INFINITY
  #made = 1

  workspace(): Workspace {
    const password = JSON.stringify(`\${file:${file}}`)
    const configuration = parseConfiguration(`repositories: { offsite: { kind: fake, destination: x, password: ${password} } }`, '/x.yaml')
    const repository = async (_name: string, replaced: { password?: unknown } = {}) =>
      this.#opened(String(replaced.password ?? (await readFile(file, 'utf8')).trimEnd()))
    return { configuration, repository } as unknown as Workspace
  }

  #opened(password: string): Repository {
    const current = () => {
      const found = [...this.passwords].find(([, one]) => one === password)?.[0]
      if (found === undefined) throw new BackupError('no key', { code: 'WRONG_CREDENTIALS', hint: 'Give a password.' })
      return found
    }
    const keys: RepositoryKeys = {
      list: async () => {
        await this.#step()
        const own = current()
        return [...this.passwords.keys()].map((id) => ({ id, hostname: '', username: '', created: '', current: id === own }))
      },
      add: async (added) => {
        await this.#step()
        const id = `key-${++this.#made}`
        this.passwords.set(id, added)
        await this.#step()
        return id
      },
      remove: async (id) => {
        await this.#step()
        if (id === current()) throw new BackupError('in use', { code: 'CONFLICT', hint: 'Take another one.' })
        this.passwords.delete(id)
        await this.#step()
        return id
      },
      changePassword: () => Promise.reject(new Error('a file is changed step by step')),
    }
    return Object.assign(createMemoryRepository(), { keys, locks: () => Promise.resolve(this.locks) })
  }

  #step(): Promise<void> {
    if (this.allowed-- > 0) return Promise.resolve()
    return Promise.reject(new BackupError('the process is gone', { code: 'UNREACHABLE', hint: 'Start again.' }))
  }
}

const change = (fake: FakeRepository, to = 'new') => changeOwnPassword(fake.workspace(), 'offsite', () => Promise.resolve(to), signal)

test('the file and the only key are those of the new password', async () => {
  const fake = new FakeRepository()
  expect(await change(fake)).toMatchObject({ id: 'key-2', file })
  expect([...fake.passwords]).toEqual([['key-2', 'new']])
  expect(await readFile(file, 'utf8')).toBe('new\n')
})

test('wherever it is cut, what the file says opens the repository, and another change ends it', async () => {
  let cuts = 0
  for (let allowed = 0; ; allowed++) {
    await writeFile(file, 'old\n')
    const fake = new FakeRepository()
    fake.allowed = allowed
    const ended = await change(fake).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'UNREACHABLE' })
        return false
      },
    )
    const password = (await readFile(file, 'utf8')).trimEnd()
    expect([...fake.passwords.values()]).toContain(password)
    if (ended) break
    cuts++
    fake.allowed = Number.POSITIVE_INFINITY
    await change(fake, password === 'old' ? 'new' : 'newer')
    expect([...fake.passwords.values()]).toContain((await readFile(file, 'utf8')).trimEnd())
    // What was cut before the file was replaced leaves no key behind.
    if (password === 'old') expect([...fake.passwords.values()]).toEqual(['new'])
  }
  expect(cuts).toBeGreaterThanOrEqual(6)
})

test('while somebody works on the repository nothing is changed, and no password asked for', async () => {
  const fake = new FakeRepository()
  fake.locks = [{ time: '2026-01-01T00:00:00Z', exclusive: false, hostname: 'h', username: 'u', pid: 7, stale: false }]
  await expect(changeOwnPassword(fake.workspace(), 'offsite', () => Promise.reject(new Error('asked')), signal)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('process 7'),
  })
  expect([...fake.passwords]).toEqual([['key-1', 'old']])
})

test('a file that cannot be replaced is noticed before a key is added', async () => {
  const fake = new FakeRepository()
  const workspace = fake.workspace()
  const asked = async () => {
    await rm(file)
    return 'new'
  }
  await expect(changeOwnPassword(workspace, 'offsite', asked, signal)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
  expect([...fake.passwords]).toEqual([['key-1', 'old']])
})
