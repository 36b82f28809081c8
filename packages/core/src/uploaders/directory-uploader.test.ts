import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bytesOf, chunksOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { classifyFileError, fileError } from './directory-errors.ts'
import { createDirectoryUploader } from './directory-uploader.ts'

let base: string
let directory: string
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'directory-uploader-'))
  directory = join(base, 'store')
})
afterEach(() => rm(base, { recursive: true, force: true }))

const text = (content: string) => reopenable(Buffer.from(content))

async function keysOf(uploader: ReturnType<typeof createDirectoryUploader>): Promise<string[]> {
  const keys: string[] = []
  for await (const object of uploader.list('')) keys.push(object.key)
  return keys.sort()
}

describe('bad input', () => {
  it('refuses a directory that is no path', () => {
    for (const bad of ['', 'a\0b'])
      expect(() => createDirectoryUploader({ directory: bad })).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
  })

  it('refuses keys that leave the directory and writes nothing', async () => {
    const uploader = createDirectoryUploader({ directory })
    for (const key of ['../outside', 'a/../../outside', '/etc/passwd', 'C:/x', 'a\\b', 'a/\0', `a/${'x'.repeat(256)}`]) {
      await expect(uploader.upload(key, text('x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(await readdir(base)).toEqual([])
  })

  it('refuses keys with the name of an unfinished upload', async () => {
    const uploader = createDirectoryUploader({ directory })
    await expect(uploader.upload('a/.b.0123456789abcdef.part', text('x'))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await uploader.upload('a/.b.part', text('x'))
    expect(await keysOf(uploader)).toEqual(['a/.b.part'])
  })

  it('refuses ranges that are none', async () => {
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('a', text('0123456789'))
    for (const range of [{ begin: -1 }, { begin: 5, end: 4 }, { begin: 0.5 }, { begin: 0, end: Number.NaN }]) {
      await expect(bytesOf(uploader.download('a', range))).rejects.toThrow(TypeError)
    }
  })

  it('says that a directory that must exist does not, and creates nothing', async () => {
    const uploader = createDirectoryUploader({ directory, createDirectory: false })
    await expect(uploader.upload('a', text('x'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('mounted') as string,
    })
    await expect(keysOf(uploader)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(uploader.stat('a')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await readdir(base)).toEqual([])
  })

  it.each(['the directory itself', 'a folder on the way to it'])(
    'says that it is a file where %s is one, and never looks empty',
    async (place) => {
      const file = join(directory, 'file')
      await mkdir(directory, { recursive: true })
      await writeFile(file, 'kept')
      for (const createDirectory of [true, false]) {
        const uploader = createDirectoryUploader({
          directory: place === 'the directory itself' ? file : join(file, 'below'),
          createDirectory,
        })
        const refused = { code: 'CONFLICT', message: expect.stringContaining('is not a directory') }
        await expect(keysOf(uploader)).rejects.toMatchObject(refused)
        await expect(uploader.stat('a')).rejects.toMatchObject(refused)
        await expect(uploader.remove('a')).rejects.toMatchObject(refused)
        await expect(uploader.upload('a', text('x'))).rejects.toMatchObject(refused)
        await expect(uploader.download('a')[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused)
      }
      expect(await readFile(file, 'utf8')).toBe('kept')
    },
  )

  it('takes a directory that does not exist for an empty one, where it may create it', async () => {
    const uploader = createDirectoryUploader({ directory })
    expect(await keysOf(uploader)).toEqual([])
    expect(await uploader.stat('a')).toBeUndefined()
    await uploader.remove('a')
    expect(await uploader.removeAbandonedParts()).toBe(0)
    expect(await readdir(base)).toEqual([])
  })

  it('says CONFLICT when a key would be an object and a folder', async () => {
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('a', text('object'))
    await expect(uploader.upload('a/b', text('x'))).rejects.toMatchObject({ code: 'CONFLICT' })
    await uploader.upload('c/d', text('object'))
    await expect(uploader.upload('c', text('x'))).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await keysOf(uploader)).toEqual(['a', 'c/d'])
    expect(await readdir(directory)).toEqual(['a', 'c'])
  })

  it('puts an object where a crash left an empty folder', async () => {
    const uploader = createDirectoryUploader({ directory })
    await mkdir(join(directory, 'a'), { recursive: true })
    await uploader.upload('a', text('object'))
    expect((await bytesOf(uploader.download('a'))).toString()).toBe('object')
  })
})

describe('symbolic links', () => {
  it('are never followed out of the directory', async () => {
    const outside = join(base, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'file'), 'precious')
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('plain', text('x'))
    await symlink(outside, join(directory, 'folder-link'))
    await symlink(join(outside, 'file'), join(directory, 'file-link'))
    await symlink(join(outside, 'nothing'), join(directory, 'dangling'))

    expect(await keysOf(uploader)).toEqual(['plain'])
    await expect(uploader.upload('folder-link/new', text('x'))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await expect(uploader.stat('folder-link/file')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await expect(uploader.remove('folder-link/file')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await expect(bytesOf(uploader.download('folder-link/file'))).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect(await uploader.stat('file-link')).toBeUndefined()
    await expect(bytesOf(uploader.download('file-link'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await uploader.remove('file-link')

    await uploader.upload('file-link', text('replaced the link'))
    await uploader.upload('dangling', text('replaced the dangling link'))
    expect((await lstat(join(directory, 'file-link'))).isFile()).toBe(true)
    expect(await readdir(outside)).toEqual(['file'])
    expect(await readFile(join(outside, 'file'), 'utf8')).toBe('precious')
  })

  it('may lead to the directory itself', async () => {
    await mkdir(join(base, 'real'))
    await symlink(join(base, 'real'), directory)
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('a/b', text('x'))
    expect(await keysOf(uploader)).toEqual(['a/b'])
    expect(await readFile(join(base, 'real', 'a', 'b'), 'utf8')).toBe('x')
  })
})

describe('what is on disk', () => {
  // Windows has no modes: what a folder grants is inherited by what is in it.
  it.skipIf(process.platform === 'win32')('is readable by its owner only, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await createDirectoryUploader({ directory }).upload('a/b/c', text('x'))
    } finally {
      process.umask(before)
    }
    const modes = await Promise.all(['', 'a', 'a/b', 'a/b/c'].map(async (path) => (await stat(join(directory, path))).mode & 0o777))
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o600])
  })

  it('has its part in the folder of the object while it is being written, and nothing after a failure', async () => {
    const uploader = createDirectoryUploader({ directory })
    let during: string[] = []
    const failing = {
      async *open() {
        yield Buffer.from('half')
        during = await readdir(join(directory, 'a', 'b'))
        throw new RangeError('source broke')
      },
    }
    await expect(uploader.upload('a/b/object', failing)).rejects.toThrow(new RangeError('source broke'))
    expect(during).toEqual([expect.stringMatching(/^\.object\.[0-9a-f]{16}\.part$/)])
    expect(await readdir(directory)).toEqual([])
  })

  it('keeps long names, for which the part gets a shorter one', async () => {
    const uploader = createDirectoryUploader({ directory })
    for (const name of ['x'.repeat(255), '漢'.repeat(85)]) {
      await uploader.upload(`a/${name}`, text(name))
      expect((await bytesOf(uploader.download(`a/${name}`))).toString()).toBe(name)
    }
  })
})

describe('parts that a crash left', () => {
  const part = '.object.0123456789abcdef.part'
  async function leavePart(ageSeconds: number): Promise<string> {
    const folder = join(directory, 'a', 'b')
    await mkdir(folder, { recursive: true })
    const path = join(folder, part)
    await writeFile(path, 'half')
    const time = Date.now() / 1000 - ageSeconds
    await utimes(path, time, time)
    return path
  }

  it('are invisible', async () => {
    await leavePart(10)
    const uploader = createDirectoryUploader({ directory })
    expect(await keysOf(uploader)).toEqual([])
    await expect(uploader.stat(`a/b/${part}`)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('are removed by the first upload when they are older than an hour, and only then', async () => {
    const path = await leavePart(3500)
    await createDirectoryUploader({ directory }).upload('other', text('x'))
    expect((await stat(path)).size).toBe(4)
    await leavePart(3700)
    await createDirectoryUploader({ directory }).upload('other', text('x'))
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await readdir(directory)).toEqual(['other'])
  })

  it('are removed when told, with the age that is told', async () => {
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('a/b/object', text('x'))
    await leavePart(100)
    expect(await uploader.removeAbandonedParts()).toBe(0)
    expect(await uploader.removeAbandonedParts({ olderThanSeconds: 50 })).toBe(1)
    expect(await keysOf(uploader)).toEqual(['a/b/object'])
  })
})

describe('side by side', () => {
  it('uploads into folders that others prune, without ever failing', async () => {
    const uploaders = [createDirectoryUploader({ directory }), createDirectoryUploader({ directory })]
    await Promise.all(
      Array.from({ length: 6 }, async (_, worker) => {
        const uploader = uploaders[worker % 2] ?? uploaders[0]
        for (let round = 0; round < 40; round++) {
          await uploader?.upload(`x/y/z/${worker}`, { open: () => chunksOf(Buffer.from(`${round}`), [1]) })
          await uploader?.remove(`x/y/z/${worker}`)
        }
      }),
    )
    expect(await readdir(directory)).toEqual([])
  })

  it('goes on reading the object it began with when that is replaced or removed', async () => {
    const uploader = createDirectoryUploader({ directory })
    const bytes = sampleBytes(2_000_000)
    await uploader.upload('a', reopenable(bytes))
    const chunks: Uint8Array[] = []
    for await (const chunk of uploader.download('a')) {
      if (chunks.length === 1) await uploader.upload('a', text('new'))
      if (chunks.length === 2) await uploader.remove('a')
      chunks.push(chunk)
    }
    expect(bytes.equals(Buffer.concat(chunks))).toBe(true)
  })

  it('says CORRUPTED when a file is cut while it is read', async () => {
    const uploader = createDirectoryUploader({ directory })
    await uploader.upload('a', reopenable(sampleBytes(2_000_000)))
    const read = async () => {
      for await (const _ of uploader.download('a')) await writeFile(join(directory, 'a'), 'short')
    }
    await expect(read()).rejects.toMatchObject({ code: 'CORRUPTED' })
  })
})

describe('errors of the operating system', () => {
  it.each([
    ['ENOSPC', 'OUT_OF_SPACE'],
    ['EDQUOT', 'OUT_OF_SPACE'],
    ['EACCES', 'ACCESS_DENIED'],
    ['EROFS', 'ACCESS_DENIED'],
    ['ENOENT', 'NOT_FOUND'],
    ['EIO', 'CORRUPTED'],
    ['ENODEV', 'UNREACHABLE'],
    ['ENXIO', 'UNREACHABLE'],
    ['ETIMEDOUT', 'TIMED_OUT'],
    ['ESTALE', 'UNREACHABLE'],
    ['EMFILE', 'OVERLOADED'],
    ['ENAMETOOLONG', 'INVALID_INPUT'],
    ['ESOMETHING', 'UNKNOWN'],
  ])('%s is %s, and tells the operator what to do', (name, code) => {
    const cause = Object.assign(new Error(`${name}: text of the system`), { code: name })
    expect(classifyFileError(cause)).toBe(code)
    const error = fileError(cause, 'upload of a', '/backups')
    expect(error).toMatchObject({ name: 'BackupError', code, cause, message: `upload of a failed with ${name} in /backups` })
    expect((error as { hint: string }).hint).toMatch(/^[A-Z].*\.$/)
  })

  it('calls what a disk that comes and goes says worth another attempt, and damage that stays not', () => {
    const worth = (code: string) => fileError(Object.assign(new Error(code), { code }), 'upload of a', '/backups')
    for (const code of ['EIO', 'ENODEV', 'ENXIO', 'ESTALE']) expect(worth(code)).toMatchObject({ retryable: true })
    for (const code of ['EUCLEAN', 'EBADMSG', 'ENOENT', 'ENOSPC']) expect(worth(code)).toMatchObject({ retryable: false })
  })

  it('leaves mistakes of the programmer as they are', () => {
    const bug = new TypeError('bug')
    expect(fileError(bug, 'upload', '/backups')).toBe(bug)
    expect(classifyFileError(Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }))).toBe('UNKNOWN')
  })
})
