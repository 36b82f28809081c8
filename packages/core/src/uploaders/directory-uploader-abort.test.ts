import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { reopenable } from '../testing/chunks-of.ts'
import { createDirectoryUploader } from './directory-uploader.ts'

vi.mock('./directory-tree.ts', async (original) => ({
  ...(await original<typeof import('./directory-tree.ts')>()),
  // As on a network share with millions of files.
  removeParts: () => new Promise(() => undefined),
}))

it('an abort does not wait for the search for what a crash left', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'directory-uploader-'))
  try {
    const uploader = createDirectoryUploader({ directory })
    for (const key of ['first', 'second']) {
      const controller = new AbortController()
      const upload = uploader.upload(key, reopenable(Buffer.from('x')), { signal: controller.signal })
      setTimeout(() => controller.abort(), 20)
      await expect(upload).rejects.toMatchObject({ code: 'ABORTED' })
    }
    expect(await readdir(directory)).toEqual([])
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}, 5000)
