import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMasterKey } from './crypto/master-key.ts'
import { storageIdOf } from './format/storage-id.ts'
import { ManifestCache } from './manifest-cache.ts'
import type { OpenRepository } from './repository-access.ts'

const id = storageIdOf(Buffer.from('repository'))
const snapshot = storageIdOf(Buffer.from('snapshot'))
const other = storageIdOf(Buffer.from('another snapshot'))
const manifest = '{"id":"größe"}'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'manifest-cache-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('the cache of manifests', () => {
  it('gives back what was put in, also to another process', async () => {
    const opened = repository()
    await new ManifestCache(directory, opened).write(snapshot, manifest)
    expect(await new ManifestCache(directory, opened).read(snapshot)).toBe(manifest)
    expect(await new ManifestCache(directory, opened).read(other)).toBeUndefined()
  })

  it.skipIf(process.platform === 'win32')('tells nobody else anything: POSIX has such modes', async () => {
    const cache = new ManifestCache(join(directory, 'new'), repository())
    await cache.write(snapshot, manifest)
    expect((await stat(join(directory, 'new', id))).mode & 0o777).toBe(0o700)
    expect((await stat(join(directory, 'new', id, snapshot))).mode & 0o777).toBe(0o600)
    expect((await readFile(join(directory, 'new', id, snapshot))).includes('größe')).toBe(false)
    expect(await readdir(join(directory, 'new', id))).toEqual([snapshot])
  })

  it('takes nothing for a manifest that is damaged, of another repository, or of another snapshot', async () => {
    const cache = new ManifestCache(directory, repository())
    const place = join(directory, id)
    await cache.write(snapshot, manifest)
    expect(await new ManifestCache(directory, repository()).read(snapshot)).toBeUndefined()
    await rename(join(place, snapshot), join(place, other))
    expect(await cache.read(other)).toBeUndefined()
    await rename(join(place, other), join(place, snapshot))
    const bytes = await readFile(join(place, snapshot))
    for (const damaged of [
      bytes.subarray(0, -1),
      bytes.subarray(0, 10),
      Buffer.of(),
      bytes.map((byte, at) => (at === 30 ? byte ^ 1 : byte)),
    ]) {
      await writeFile(join(place, snapshot), damaged)
      expect(await cache.read(snapshot)).toBeUndefined()
    }
    await cache.write(snapshot, manifest)
    expect(await cache.read(snapshot)).toBe(manifest)
  })

  it('lets go of what is not kept, and of what killed processes left', async () => {
    const cache = new ManifestCache(directory, repository())
    await cache.write(snapshot, manifest)
    await cache.write(other, manifest)
    await writeFile(join(directory, id, '.0123456789ab.part'), 'half of a manif')
    await writeFile(join(directory, id, 'notes.txt'), 'of somebody else')
    await cache.keepOnly(new Set([snapshot]))
    expect((await readdir(join(directory, id))).sort()).toEqual([snapshot, 'notes.txt'].sort())
    expect(await cache.read(snapshot)).toBe(manifest)
  })

  it('is no failure when it cannot be written, read or cleaned', async () => {
    await writeFile(join(directory, 'file'), '')
    const cache = new ManifestCache(join(directory, 'file'), repository())
    await cache.write(snapshot, manifest)
    expect(await cache.read(snapshot)).toBeUndefined()
    await cache.keepOnly(new Set())
    await mkdir(join(directory, id, snapshot), { recursive: true })
    const blocked = new ManifestCache(directory, repository())
    await blocked.write(snapshot, manifest)
    expect(await blocked.read(snapshot)).toBeUndefined()
    expect(await readdir(join(directory, id))).toEqual([snapshot])
  })

  it.each([
    ['there is no directory for it', undefined, id],
    ['the config of the repository is damaged', 'directory', null],
    ['the repository has an id that leads elsewhere', 'directory', '../../elsewhere'],
  ])('is none where %s', async (_, place, repositoryId) => {
    const cache = new ManifestCache(place === undefined ? undefined : directory, repository(repositoryId))
    await cache.write(snapshot, manifest)
    expect(await cache.read(snapshot)).toBeUndefined()
    await cache.keepOnly(new Set())
    expect(await readdir(directory)).toEqual([])
  })
})

function repository(config: string | null = id): OpenRepository {
  return {
    uploader: createMemoryUploader(),
    key: createMasterKey(),
    keyId: id,
    config: config === null ? undefined : { version: 2, id: config, chunkerPolynomial: '3da3358b4dc173' },
  }
}
