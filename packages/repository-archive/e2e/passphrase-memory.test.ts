import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('a passphrase with the default work factor costs the process that stores no memory to speak of', async () => {
  const [plain, encrypted] = [await peakOfStoring(''), await peakOfStoring('correct horse')]
  expect(plain).toBeGreaterThan(2 ** 25)
  // scrypt alone takes 256 MiB.
  expect(encrypted - plain).toBeLessThan(32 * 2 ** 20)
})

/** Highest resident memory in bytes of a process that stores one small backup. */
async function peakOfStoring(passphrase: string): Promise<number> {
  const directory = await mkdtemp(path.join(tmpdir(), 'passphrase-memory-'))
  try {
    const program = path.join(import.meta.dirname, 'store-once.ts')
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@backup-planet/source', program, directory, passphrase])
    return Number(stdout)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
