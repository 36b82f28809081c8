import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { syncFolder } from './sync-folder.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sync-folder-'))
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(folder, { recursive: true, force: true })
})

/** Lets every fsync fail with this system error. */
async function failSync(code: string) {
  const handle = await open(folder, 'r')
  const { sync } = Object.getPrototypeOf(handle) as { sync: unknown }
  expect(sync).toBeTypeOf('function')
  await handle.close()
  return vi.spyOn(Object.getPrototypeOf(handle), 'sync').mockRejectedValue(Object.assign(new Error(code), { code }))
}

// Windows is never asked.
it.skipIf(process.platform === 'win32').each(['EINVAL', 'ENOTSUP', 'ENOSYS'])(
  'goes on where a file system has no fsync of folders (%s)',
  async (code) => {
    const sync = await failSync(code)
    await syncFolder(folder)
    expect(sync).toHaveBeenCalledOnce()
  },
)

it.skipIf(process.platform === 'win32')('fails where it went wrong, and where there is no folder', async () => {
  await expect(syncFolder(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
  await failSync('EIO')
  await expect(syncFolder(folder)).rejects.toMatchObject({ code: 'EIO' })
})
