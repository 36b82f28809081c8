import { randomBytes } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Backup, Manifest } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { type Header, pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { findingsOf, listed, readAll, stageOf, storeStage, type TestFile } from './__fixtures__/test-stage.ts'
import { manifestBytes, sealManifest } from './archive-manifest.ts'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveStorage, storageOf } from './archive-storage.ts'
import { collect, sha256Of } from './byte-streams.ts'
import { zipOf } from './zip-format.ts'

/** A backup whose writer wants to do harm: every hash in it is right. */
const good: TestFile = { item: 'shop', name: 'rows', bytes: Buffer.from('good') }

type TarEntry = Partial<Header> & { name: string; body?: Buffer }

async function tarWith(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const { body, ...header } of entries) archive.entry(header, body ?? Buffer.alloc(0))
  archive.finalize()
  return collect(archive as unknown as AsyncIterable<Uint8Array>)
}

async function forged(
  uploader: MemoryUploader,
  change: (manifest: Manifest, storage: ArchiveStorage) => { manifest?: Manifest; storage?: object },
): Promise<void> {
  const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('/manifest.json')) ?? ''
  const old = JSON.parse(Buffer.from(uploader.objects.get(key)?.bytes ?? []).toString()) as Manifest
  const { manifest = old, storage = {} } = change(old, storageOf(old))
  const { manifestSha256: _, ...rest } = { ...storageOf(old), ...storage }
  const bytes = manifestBytes(sealManifest({ ...manifest }, rest))
  uploader.objects.set(key, { bytes, modifiedAt: '2026-11-22T08:00:00.000Z', sha256: sha256Of(bytes) })
}

async function withArchive(format: 'tar.zst' | 'tar.gz' | 'zip', archive: Buffer, files: readonly TestFile[] = [good]) {
  const uploader = createMemoryUploader()
  const repository = createArchiveRepository({ uploader, format })
  await storeStage(repository, stageOf(files))
  const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith(`shop.${format}`)) ?? ''
  uploader.objects.set(key, { bytes: archive, modifiedAt: '2026-11-22T08:00:00.000Z', sha256: sha256Of(archive) })
  await forged(uploader, (_, storage) => ({
    storage: { archives: storage.archives.map((stored) => ({ ...stored, size: archive.byteLength, sha256: sha256Of(archive) })) },
  }))
  const [backup] = await listed(repository)
  if (backup === undefined) throw new Error('the forged backup is not listed')
  return { repository, backup }
}

async function expectRefused({ repository, backup }: Awaited<ReturnType<typeof withArchive>>, message: RegExp): Promise<void> {
  await expect(readAll(repository, backup)).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringMatching(message) })
  const findings = await findingsOf(repository, { readData: true })
  expect(findings.map(({ severity, code }) => [severity, code])).toEqual([['error', 'CORRUPTED']])
}

const body = good.bytes as Buffer

const hostileTars: Record<string, { entries: TarEntry[]; message: RegExp }> = {
  'an entry outside': { entries: [{ name: '../rows', body }], message: /"\.\.\/rows", which is not in its inventory/ },
  'an absolute entry': { entries: [{ name: '/etc/passwd', body }], message: /not in its inventory/ },
  'an entry with NUL': {
    entries: [{ name: 'rows\u0000.sh', body, pax: { path: 'rows\u0000.sh' } } as TarEntry],
    message: /not in its inventory/,
  },
  'an entry with a name of 300 bytes': { entries: [{ name: 'n'.repeat(300), body }], message: /not in its inventory/ },
  'a symbolic link': { entries: [{ name: 'rows', type: 'symlink', linkname: '/etc/passwd' }], message: /is a symlink, not a file/ },
  'a hard link': { entries: [{ name: 'rows', type: 'link', linkname: '/etc/passwd' }], message: /is a link, not a file/ },
  'a device': { entries: [{ name: 'rows', type: 'character-device' }], message: /is a character-device/ },
  'a folder': { entries: [{ name: 'rows', type: 'directory' }], message: /is a directory/ },
  'a file twice': {
    entries: [
      { name: 'rows', body },
      { name: 'rows', body },
    ],
    message: /holds "rows" twice/,
  },
  'a file behind the last': {
    entries: [
      { name: 'rows', body },
      { name: 'more', body },
    ],
    message: /"more", which is not in its inventory/,
  },
  'another size': { entries: [{ name: 'rows', body: Buffer.from('good!') }], message: /with 5 of 4 bytes/ },
  'another content': { entries: [{ name: 'rows', body: Buffer.from('evil') }], message: /content has sha256/ },
  nothing: { entries: [], message: /does not hold "rows"/ },
}

describe.each(['tar.zst', 'tar.gz'] as const)('a hostile %s', (format) => {
  const compress = (bytes: Buffer) => (format === 'tar.zst' ? zstdCompressSync(bytes) : gzipSync(bytes))

  it.each(Object.entries(hostileTars))('with %s is refused', async (_, { entries, message }) => {
    await expectRefused(await withArchive(format, compress(await tarWith(entries))), message)
  })

  it('that unpacks to gigabytes is stopped early', async () => {
    const bomb = compress(Buffer.concat([await tarWith([{ name: 'rows', body }]), Buffer.alloc(64 * 1024 * 1024)]))
    expect(bomb.byteLength).toBeLessThan(1024 * 1024)
    await expectRefused(await withArchive(format, bomb), /has more than the \d+ bytes that it can need/)
  })

  it('that is cut or no archive at all is refused', async () => {
    const whole = compress(await tarWith([{ name: 'rows', body }]))
    for (const bytes of [
      whole.subarray(0, 20),
      Buffer.alloc(0),
      Buffer.from('no archive'),
      randomBytes(2000),
      compress(randomBytes(2000)),
    ]) {
      const { repository, backup } = await withArchive(format, bytes)
      await expect(readAll(repository, backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
    }
  })
})

describe('a hostile zip', () => {
  const entry = (name: string, bytes = body) => ({
    name,
    size: bytes.byteLength,
    open: async function* () {
      yield bytes
    },
  })
  const zip = async (...entries: ReturnType<typeof entry>[]) => collect(zipOf(entries, new Date(0), 6))
  const renamed = (bytes: Buffer, from: string, to: string) => Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1')

  it('with names that are not in the inventory is refused', async () => {
    for (const name of ['../x', '/etcx', 'ro\0s', 'rows/', '..\\x']) {
      await expectRefused(
        await withArchive('zip', renamed(await zip(entry('r'.padEnd(name.length, '_'))), 'r'.padEnd(name.length, '_'), name)),
        /./,
      )
    }
  })

  it('with a file twice, more files, another content or nothing is refused', async () => {
    await expectRefused(await withArchive('zip', await zip(entry('rows'), entry('rows'))), /twice/)
    await expectRefused(await withArchive('zip', await zip(entry('rows'), entry('more'))), /"more", which is not in its inventory/)
    await expectRefused(await withArchive('zip', await zip(entry('rows', Buffer.from('evil')))), /content has sha256/)
    await expectRefused(await withArchive('zip', await zip(entry('rows', Buffer.from('longer')))), /6 of 4 bytes/)
    await expectRefused(await withArchive('zip', await zip()), /does not hold/)
  })

  it('with a link is refused', async () => {
    const bytes = await zip(entry('rows'))
    const directory = bytes.lastIndexOf('PK\u0001\u0002')
    bytes.writeUInt32LE(0o120777 * 65536, directory + 38)
    bytes[directory + 5] = 3
    await expectRefused(await withArchive('zip', bytes), /which is not a file/)
  })

  it('that unpacks to more than it says is stopped early', async () => {
    const bytes = await zip(entry('rows', Buffer.alloc(64 * 1024 * 1024)))
    bytes.writeUInt32LE(4, bytes.lastIndexOf('PK\u0001\u0002') + 24)
    await expectRefused(await withArchive('zip', bytes), /content has at least \d+ bytes, announced were 4/)
  })

  it('that is cut or no archive at all is refused', async () => {
    const whole = await zip(entry('rows'))
    for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 20), Buffer.alloc(0), randomBytes(2000)]) {
      const { repository, backup } = await withArchive('zip', bytes)
      await expect(readAll(repository, backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
    }
  })
})

describe('a hostile manifest', () => {
  async function stored() {
    const uploader = createMemoryUploader()
    const repository = createArchiveRepository({ uploader })
    await storeStage(repository, stageOf([good]))
    return { uploader, repository }
  }

  const withName = (name: string) => (manifest: Manifest, storage: ArchiveStorage) => ({
    manifest: {
      ...manifest,
      items: manifest.items.map((item) => ({ ...item, files: (item.files ?? []).map((file) => ({ ...file, name })) })),
    },
    storage: { archives: storage.archives.map((archive) => ({ ...archive, files: [name] })) },
  })

  it.each(['../../etc/passwd', '/etc/passwd', 'C:\\x', 'a/../b', 'a\0b', 'n'.repeat(300), '', '.'])(
    'cannot make the file %j come out',
    async (name) => {
      const { uploader, repository } = await stored()
      await forged(uploader, withName(name))
      const problems: string[] = []
      const backups = await listed(repository, problems)
      for (const backup of backups) {
        await expect(readAll(repository, backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
        await expect(repository.inventory(backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
      }
      expect(backups.length + problems.length).toBe(1)
    },
  )

  const lies: Record<string, (manifest: Manifest, storage: ArchiveStorage) => { manifest?: Manifest; storage?: object }> = {
    'another folder': () => ({ storage: { folder: 'shop/20261122T080000000Z-full-other' } }),
    'a folder outside': () => ({ storage: { folder: '../other' } }),
    'an object outside': (_, storage) => ({ storage: { archives: storage.archives.map((archive) => ({ ...archive, key: '../../x' })) } }),
    'an object twice': (_, storage) => ({ storage: { archives: [...storage.archives, ...storage.archives] } }),
    'no archives': () => ({ storage: { archives: 'none' } }),
  }

  it.each(Object.entries(lies))('with %s is left out of the list and reported', async (_, change) => {
    const { uploader, repository } = await stored()
    await forged(uploader, change)
    const problems: string[] = []
    expect(await listed(repository, problems)).toEqual([])
    expect(problems).toEqual(['CORRUPTED'])
    expect((await findingsOf(repository, {})).map(({ severity, code }) => [severity, code])).toEqual([['error', 'CORRUPTED']])
  })

  const wrongLists: Record<string, (manifest: Manifest, storage: ArchiveStorage) => { manifest?: Manifest; storage?: object }> = {
    'a file in no archive': (_, storage) => ({ storage: { archives: storage.archives.map((archive) => ({ ...archive, files: [] })) } }),
    'a file twice': (_, storage) => ({
      storage: { archives: storage.archives.map((archive) => ({ ...archive, files: ['rows', 'rows'] })) },
    }),
    'an archive of another item': (_, storage) => ({
      storage: { archives: storage.archives.map((archive) => ({ ...archive, item: 'x' })) },
    }),
    'an item twice': (manifest) => ({ manifest: { ...manifest, items: [...manifest.items, ...manifest.items] } }),
  }

  it.each(Object.entries(wrongLists))('with %s gives nothing out', async (_, change) => {
    const { uploader, repository } = await stored()
    await forged(uploader, change)
    const [backup] = await listed(repository)
    await expect(readAll(repository, backup as Backup)).rejects.toMatchObject({ code: 'CORRUPTED' })
  })

  it('is found with any single bit turned, and with any cut', async () => {
    const { uploader, repository } = await stored()
    const key = [...uploader.objects.keys()].find((candidate) => candidate.endsWith('/manifest.json')) ?? ''
    const object = uploader.objects.get(key)
    if (object === undefined) throw new Error('no manifest')
    for (let bit = 0; bit < object.bytes.byteLength * 8; bit += 1) {
      const bytes = Uint8Array.from(object.bytes)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      uploader.objects.set(key, { ...object, bytes })
      expect(await listed(repository), `bit ${bit}`).toEqual([])
    }
    for (let length = 0; length < object.bytes.byteLength; length++) {
      uploader.objects.set(key, { ...object, bytes: object.bytes.subarray(0, length) })
      expect(await listed(repository), `length ${length}`).toEqual([])
    }
  })

  it('of another kind of repository is told apart from a damaged one', async () => {
    const { uploader, repository } = await stored()
    await forged(uploader, () => ({ storage: { format: 'restic/2' } }))
    const problems: string[] = []
    expect(await listed(repository, problems)).toEqual([])
    expect(problems).toEqual(['UNSUPPORTED'])
  })
})
