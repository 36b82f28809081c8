import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { decodeTree } from '../format/tree-blob.ts'
import { saveTrees, type TreeFile } from './snapshot-tree.ts'

const modifiedAt = '2026-01-01T00:00:00.000Z'
const segment = fc.constantFrom('a', 'b', 'größe', '🐬', 'Z')
const path = fc.array(segment, { minLength: 1, maxLength: 4 })

describe('the trees of files', () => {
  it('hold every file and folder at its path, and nothing else; the innermost are saved first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 12 }), fc.array(path, { maxLength: 4 }), async (filePaths, folderPaths) => {
        // Files have names of their own kind, so that none is a folder too.
        const names = new Set(filePaths.map((names) => `${names.join('/')}.sql`))
        const files: TreeFile[] = [...names].map((name, at) => ({
          path: name.split('/'),
          file: { size: at, content: [storageIdOf(Buffer.of(at))] },
        }))
        const { root, saved } = await save(files, folderPaths)
        const expected = new Map<string, unknown>(files.map(({ path: at, file }) => [at.join('/'), file]))
        for (const names of [...folderPaths, ...files.map(({ path: at }) => at.slice(0, -1))])
          for (let depth = 1; depth <= names.length; depth++) expected.set(names.slice(0, depth).join('/'), 'folder')
        expect(contentsOf(saved, root)).toEqual(expected)
      }),
    )
  })

  it('are stored once where folders are alike', async () => {
    const content = [storageIdOf(Buffer.of(1))]
    const files = ['a', 'b', 'c'].map((folder) => ({ path: [folder, 'data.sql'], file: { size: 7, content } }))
    const { saved, calls } = await save(files, [])
    expect(saved.size).toBe(2)
    expect(calls).toBe(4)
  })

  it('are one empty tree where there is nothing', async () => {
    const { root, saved } = await save([], [])
    expect(decodeTree(saved.get(root) ?? Buffer.of())).toEqual([])
  })

  it.each([
    ['two files of one name', ['a', 'b'], ['a', 'b']],
    ['a file in a file', ['a'], ['a', 'b']],
    ['a folder that is a file', ['a', 'b'], ['a']],
  ])('are refused with %s', async (_, first, second) => {
    const files = [first, second].map((names) => ({ path: names, file: { size: 0, content: [] } }))
    await expect(save(files, [])).rejects.toThrow(TypeError)
  })
})

async function save(files: readonly TreeFile[], folders: readonly (readonly string[])[]) {
  const saved = new Map<StorageId, Buffer>()
  let calls = 0
  const root = await saveTrees({ files, folders, modifiedAt }, async (tree) => {
    for (const { subtree } of decodeTree(tree)) if (subtree !== undefined) expect(saved.has(subtree)).toBe(true)
    calls++
    saved.set(storageIdOf(tree), tree)
    return storageIdOf(tree)
  })
  return { root, saved, calls }
}

function contentsOf(saved: ReadonlyMap<StorageId, Buffer>, tree: StorageId, above = ''): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const { name, type, size, content, subtree } of decodeTree(saved.get(tree) ?? Buffer.of())) {
    const at = `${above}${name.toString()}`
    found.set(at, type === 'dir' ? 'folder' : { size, content })
    if (subtree !== undefined) for (const [below, entry] of contentsOf(saved, subtree, `${at}/`)) found.set(below, entry)
  }
  return found
}
