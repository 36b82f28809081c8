import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { createDirectoryStaging, createDirectoryUploader } from '@backup-planet/core'
import { sampleBytes } from '@backup-planet/core/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findingsOf, listed, readAll } from '../src/__fixtures__/test-stage.ts'
import { type ArchiveSettings, createArchiveRepository } from '../src/index.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'killed-store-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const settings: ArchiveSettings[] = [
  { format: 'tar.zst', volumeBytes: 100_000 },
  { format: 'zip', volumeBytes: 100_000 },
  { format: 'files', encryption: { passphrase: 'pass', workFactor: 8 } },
]

/** Steps after which the process is killed with SIGKILL, each told on a line: some uploads begun, some ended. */
const steps = [1, 3, 5, 6, 14]

it.each(settings.flatMap((chosen) => steps.map((step) => ({ ...chosen, step }))))(
  'a store killed at step $step ($format) lists nothing, and the next process completes it without sending anything twice',
  async ({ step, ...chosen }) => {
    const stored = await storeUntil(step, chosen)
    expect(stored.at(-1)).not.toBe('stored')
    const uploader = createDirectoryUploader({ directory: `${directory}/store` })
    const jobHadKey = (await uploader.stat('shop/identity.age')) !== undefined
    const uploaded: string[] = []
    const repository = createArchiveRepository({
      ...chosen,
      uploader: {
        ...uploader,
        async upload(key, content, options) {
          uploaded.push(key)
          return uploader.upload(key, content, options)
        },
      },
    })
    expect(await listed(repository)).toEqual([])
    const staging = createDirectoryStaging({ directory: `${directory}/staging`, budgetBytes: 10_000_000, minimumFreeBytes: 0 })
    let resumed = 0
    for await (const stage of staging.resumable('shop')) {
      resumed++
      const count = (type: string) => stage.contents.notes.filter((note) => (note as { type: string }).type === type).length
      const noted = count('stored')
      const keys = chosen.encryption === undefined ? 0 : (jobHadKey ? 0 : 1) + (count('encryption') === 0 ? 1 : 0)
      const backup = await repository.store({ run: stage.run, agent: { version: '1.0.0' } }, stage.contents)
      const archives = (backup.storage.archives as unknown[]).length
      const besides = keys + (chosen.format === 'files' ? 4 : 2)
      expect(uploaded).toHaveLength(archives - noted + besides)
      const read = await readAll(repository, backup)
      expect(read.size).toBe(24)
      for (let index = 0; index < 24; index++) {
        const key = JSON.stringify([index % 2 === 0 ? 'shop' : 'other', `rows.${index}`])
        expect(read.get(key)?.equals(sampleBytes(40_000, index + 1)), key).toBe(true)
      }
      for (const item of await repository.inventory(backup)) {
        const numbers = (item.files ?? []).map(({ name }) => Number(name.slice(5)))
        expect(numbers).toEqual([...numbers].sort((left, right) => left - right))
      }
      expect(await listed(repository)).toEqual([backup])
      expect((await findingsOf(repository, { readData: true })).map(({ severity }) => severity)).toEqual(['ok'])
      await stage.remove()
    }
    expect(resumed).toBe(1)
  },
)

/** The steps that were told until the process was killed at this one. */
function storeUntil(step: number, chosen: ArchiveSettings): Promise<string[]> {
  const script = path.join(import.meta.dirname, 'store-until-killed.ts')
  const child = spawn(
    process.execPath,
    ['--conditions=@backup-planet/source', '--no-warnings', script, directory, JSON.stringify(chosen)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const told: string[] = []
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      told.push(line)
      if (told.length === step) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', (code, signal) => (signal === 'SIGKILL' ? resolve(told) : reject(new Error(`ended by itself with ${code}: ${told}`))))
  })
}
