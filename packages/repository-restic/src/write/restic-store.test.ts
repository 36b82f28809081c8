import { randomFillSync } from 'node:crypto'
import { BackupError, type StageContents, type StagedFile, type StageEvent, type Uploader } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { expect, test } from 'vitest'
import { initializeRepository } from '../repository-access.ts'
import { createResticRepository } from '../restic-repository.ts'

const password = 'correct horse'

test('a store ends with the failure of its uploader in the middle of a file, however much of it is still to come', async () => {
  const memory = createMemoryUploader()
  await initializeRepository(memory, { password, cost: { N: 2, r: 1, p: 1 } }, {})
  const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })
  const upload: Uploader['upload'] = (key, content, options) =>
    key.startsWith('data/') ? Promise.reject(unreachable) : memory.upload(key, content, options)
  await using repository = createResticRepository({ uploader: { ...memory, upload }, password, cacheDirectory: false, threads: 1 })
  const request = { run: { job: 'shop', id: 'run-1', beganAt: '2026-01-01T00:00:00.000Z' }, agent: { version: '1.2.3' } }
  await expect(repository.store(request, withOneFile(endless()))).rejects.toBe(unreachable)
  expect([...memory.objects.keys()].filter((key) => key.startsWith('locks/'))).toEqual([])
})

async function* endless(): AsyncGenerator<Uint8Array, void> {
  while (true) yield randomFillSync(new Uint8Array(1024 ** 2))
}

function withOneFile(content: AsyncIterable<Uint8Array>): StageContents {
  const file: StagedFile = {
    item: 'shop',
    name: 'data.sql',
    size: 2 ** 40,
    sha256: '0'.repeat(64),
    open: () => content,
    async release() {},
  }
  return {
    budget: 2 ** 40,
    sealed: false,
    notes: [],
    async note() {},
    async *drain({ signal } = {}): AsyncGenerator<StageEvent, void> {
      yield { type: 'file', file }
      // The next item is being captured, until nobody wants it any more.
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    },
  }
}
