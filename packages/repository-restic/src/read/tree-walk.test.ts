import { createMemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { deepestTree, encodeTree } from '../format/tree-blob.ts'
import { ResticSession } from '../restic-session.ts'
import { resolveResticSettings } from '../restic-settings.ts'
import { assertEnds, findNode, readTree, walkTree } from './tree-walk.ts'

const modifiedAt = '2026-01-01T00:00:00.000Z'
const owner = { uid: 0, gid: 0 }
const content = storageIdOf(Buffer.from('content'))

describe('a tree', () => {
  it('is walked: folders before what is in them, in the order of their names', async () => {
    const trees = new Trees()
    const inner = trees.add(['b', content], ['a', content])
    const root = trees.add(['z', content], ['folder', 'dir', inner], ['again', 'dir', inner])
    expect(await walked(trees, root)).toEqual(['again', 'again/a', 'again/b', 'folder', 'folder/a', 'folder/b', 'z'])
    const entered: string[] = []
    for await (const { path } of walkTree(trees.session, root, {}, (names) => names.join('/') === 'folder')) entered.push(path.join('/'))
    expect(entered).toEqual(['again', 'folder', 'folder/a', 'folder/b', 'z'])
  })

  it('has its entries found by their path', async () => {
    const trees = new Trees()
    const root = trees.add(['größe', 'dir', trees.add(['data.sql', content])])
    expect(await findNode(trees.session, root, ['größe', 'data.sql'], {})).toMatchObject({ type: 'file', content: [content] })
    expect(await findNode(trees.session, root, ['größe'], {})).toMatchObject({ type: 'dir' })
    for (const path of [['größe', 'other'], ['other', 'data.sql'], ['größe', 'data.sql', 'below'], ['data.sql']])
      expect(await findNode(trees.session, root, path, {})).toBeUndefined()
  })

  it('as deep as may be is walked, and a deeper one is refused', async () => {
    const trees = new Trees()
    let tree = trees.add(['data.sql', content])
    for (let depth = 1; depth < deepestTree; depth++) tree = trees.add(['a', 'dir', tree])
    expect(await walked(trees, tree)).toHaveLength(deepestTree)
    await expect(walked(trees, trees.add(['a', 'dir', tree]))).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining(`more than ${deepestTree} folders deep`),
    })
  })

  it('that would contain itself is refused', () => {
    expect(() => assertEnds(content, [storageIdOf(Buffer.of()), content])).toThrow(/contains itself/)
    expect(() => assertEnds(content, [])).not.toThrow()
  })

  it('that is none is refused as what somebody with the password wrote', async () => {
    const trees = new Trees()
    const bad = trees.addBytes(Buffer.from('{"nodes":[{"name":"../x","type":"file"}]}'))
    await expect(readTree(trees.session, bad, {})).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringMatching(/^tree [0-9a-f]{16}: the name "..\/x" contains a slash$/),
      hint: expect.stringContaining('change the password'),
    })
  })

  it('is not read when it is aborted', async () => {
    const trees = new Trees()
    const root = trees.add(['a', content])
    await expect(readTree(trees.session, root, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

type Entry = readonly [name: string, content: StorageId] | readonly [name: string, type: 'dir', subtree: StorageId]

/** A session whose repository has these trees, each in a pack of its own. */
class Trees {
  readonly #uploader = createMemoryUploader()
  readonly #key = createMasterKey()
  readonly session = new ResticSession(this.#uploader, resolveResticSettings({ password: 'x', cacheDirectory: false }))

  constructor() {
    const repository = { uploader: this.#uploader, key: this.#key, keyId: storageIdOf(Buffer.of()), config: undefined }
    this.session.open = async () => repository
    this.session.locate = async (type, id) => {
      const bytes = this.#trees.get(id)
      if (bytes === undefined) throw new TypeError(`there is no tree ${id}`)
      const sealed = seal(this.#key, bytes)
      const pack = storageIdOf(sealed)
      this.#uploader.objects.set(`data/${pack.slice(0, 2)}/${pack}`, { bytes: sealed, modifiedAt, sha256: pack })
      return { type, pack, packNumber: 0, offset: 0, length: sealed.byteLength, uncompressedLength: 0 }
    }
  }

  readonly #trees = new Map<StorageId, Buffer>()

  add(...entries: readonly Entry[]): StorageId {
    const nodes = entries.map(([name, second, subtree]) =>
      subtree === undefined
        ? { type: 'file' as const, name, modifiedAt, size: 7, content: [second] }
        : { type: 'dir' as const, name, modifiedAt, subtree },
    )
    return this.addBytes(encodeTree(nodes, owner))
  }

  addBytes(bytes: Buffer): StorageId {
    this.#trees.set(storageIdOf(bytes), bytes)
    return storageIdOf(bytes)
  }
}

async function walked({ session }: Trees, root: StorageId): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of walkTree(session, root, {})) paths.push(path.join('/'))
  return paths
}
