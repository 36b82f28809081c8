import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { eventually } from '../conformance/conformance-check.ts'
import { reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { createDirectoryUploader } from './directory-uploader.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'directory-uploader-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const endlessUpload = `
  const { createDirectoryUploader } = await import(process.argv[1])
  const uploader = createDirectoryUploader({ directory: process.argv[2] })
  await uploader.upload('packs/ab/object', {
    async *open() {
      for (;;) {
        yield Buffer.alloc(65_536)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  })
`

it('leaves the old object and nothing visible when the process is killed in the middle of an upload', async () => {
  const uploader = createDirectoryUploader({ directory })
  await uploader.upload('packs/ab/object', reopenable(Buffer.from('old')))
  const module = new URL('./directory-uploader.ts', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', endlessUpload, module, directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  try {
    await eventually(async () => (await readdir(join(directory, 'packs/ab'))).some((name) => name.endsWith('.part')), 'the part appears')
  } finally {
    child.kill('SIGKILL')
  }
  await new Promise((resolve) => child.once('exit', resolve))

  const keys: string[] = []
  for await (const object of uploader.list('')) keys.push(`${object.key} ${object.size}`)
  expect(keys).toEqual(['packs/ab/object 3'])
  expect(await readFile(join(directory, 'packs/ab/object'), 'utf8')).toBe('old')
  expect(await readdir(join(directory, 'packs/ab'))).toHaveLength(2)
  expect(await uploader.removeAbandonedParts({ olderThanSeconds: 0 })).toBe(1)
  expect(await readdir(join(directory, 'packs/ab'))).toEqual(['object'])
})

// Windows mounts no file system of a few hundred kilobytes.
it.skipIf(process.platform === 'win32')(
  'says OUT_OF_SPACE on a disk that is really full, leaves nothing, and goes on when there is room',
  async (context) => {
    const run = promisify(execFile)
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory])
    } catch {
      context.skip('needs the right to mount a file system')
    }
    try {
      const uploader = createDirectoryUploader({ directory })
      await uploader.upload('a/small', reopenable(sampleBytes(100_000)))
      await expect(uploader.upload('b/large', reopenable(sampleBytes(1_000_000)))).rejects.toMatchObject({
        code: 'OUT_OF_SPACE',
        hint: expect.stringContaining('is full') as string,
      })
      expect(await readdir(directory, { recursive: true })).toEqual(['a', 'a/small'])
      await uploader.remove('a/small')
      await uploader.upload('b/fits', reopenable(sampleBytes(150_000)))

      await run('mount', ['-o', 'remount,ro', directory])
      await expect(uploader.upload('c', reopenable(sampleBytes(10)))).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        hint: expect.stringContaining('read-only') as string,
      })
      await expect(uploader.remove('b/fits')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
      expect((await uploader.stat('b/fits'))?.size).toBe(150_000)
    } finally {
      await run('umount', [directory])
    }
  },
)
