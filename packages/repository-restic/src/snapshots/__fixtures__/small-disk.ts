import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A disk in memory with room for `mebibytes`. */
export async function mountSmallDisk(mebibytes: number): Promise<AsyncDisposable & { readonly directory: string }> {
  const place = await mkdtemp(join(tmpdir(), 'small-disk-'))
  const directory = join(place, 'disk')
  await mkdir(directory)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory])
  } catch (error) {
    await rm(place, { recursive: true })
    throw error
  }
  return {
    directory,
    async [Symbol.asyncDispose]() {
      await run('umount', [directory])
      await rm(place, { recursive: true })
    },
  }
}

/** Only root may mount, and not in every container. */
export async function canMount(): Promise<boolean> {
  try {
    await using _ = await mountSmallDisk(1)
    return true
  } catch {
    return false
  }
}
