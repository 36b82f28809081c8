import { describe, expect, it } from 'vitest'
import { expectGoodBackup, expectNextBackup, expectRefused, type Refusal } from './__fixtures__/hostile-outcome.ts'
import { fileNode, folderNode, forgeBackup, hostileRepository, treeBytes } from './__fixtures__/hostile-repository.ts'
import { findingsOf, openUploader } from './__fixtures__/small-repository.ts'
import { storageIdOf } from './format/storage-id.ts'

const content = Buffer.from('what somebody would like to have written')
const files = [{ name: 'rows.sql', size: content.byteLength }]
const rows = fileNode('rows.sql', content)

async function expectTreeRefused(shop: Uint8Array, reason: RegExp, refusal: Refusal = {}): Promise<void> {
  const hostile = await hostileRepository()
  await forgeBackup(hostile, shop, { files, contents: [content] })
  await expectRefused(hostile, reason, refusal)
}

describe('a tree is refused', () => {
  it.each([
    ['/', /contains a slash/],
    ['a/b', /contains a slash/],
    ['../../etc/passwd', /contains a slash/],
    ['..', /is none/],
    ['.', /is none/],
    ['', /is none/],
    ['a\0b', /contains NUL/],
    ['\\x2e\\x2e', /is none/],
    ['\\056\\u002e', /is none/],
    ['\\x2fetc', /contains a slash/],
    ['a\\x00', /contains NUL/],
    ['\\q', /escape/],
    ['n'.repeat(300), /longer than/],
    ['ü'.repeat(256), /longer than/],
  ])('for the name %j', async (name, reason) => {
    await expectTreeRefused(treeBytes([rows, fileNode(name, content)]), reason)
  })

  it.each([
    ['two entries of one name', treeBytes([rows, rows]), /two entries/],
    ['two entries of one name, one of them quoted', treeBytes([rows, fileNode('\\x72ows.sql', content)]), /two entries/],
    ['a file and a folder of one name', treeBytes([rows, folderNode('rows.sql', treeBytes([]))]), /two entries/],
    ['a size below zero', treeBytes([fileNode('rows.sql', content, { size: -1 })]), /has the size -1/],
    ['a size that is no whole number', treeBytes([fileNode('rows.sql', content, { size: 1.5 })]), /has the size 1.5/],
    ['a size beyond all files', treeBytes([fileNode('rows.sql', content, { size: 2 ** 60 })]), /has the size/],
    ['a size in letters', treeBytes([fileNode('rows.sql', content, { size: '40' })]), /has the size/],
    ['content that is no list', treeBytes([fileNode('rows.sql', content, { content: 'abc' })]), /no list of ids/],
    ['content that is no id', treeBytes([fileNode('rows.sql', content, { content: ['../../config'] })]), /no list of ids/],
    ['content that is nowhere', treeBytes([fileNode('rows.sql', content, { content: ['0'.repeat(64)] })]), /in no/],
    ['content that is a tree', treeBytes([fileNode('rows.sql', content, { content: [storageIdOf(treeBytes([]))] })]), /in no/],
    ['a folder without a tree', treeBytes([rows, { name: 'below', type: 'dir' }]), /subtree is null/],
    ['a file with a tree', treeBytes([fileNode('rows.sql', content, { subtree: '0'.repeat(64) })]), /is a file and its subtree/],
    ['an entry without a type', treeBytes([{ name: 'rows.sql' }]), /no name or type/],
    ['an entry that is no object', Buffer.from('{"nodes":[7]}'), /no object/],
    ['no entries at all', Buffer.from('{}'), /no nodes/],
    ['no JSON', Buffer.from('rows.sql'), /JSON/],
    ['nothing', Buffer.from('null'), /no nodes/],
    ['lists within lists within lists', Buffer.from('['.repeat(1_000_000)), /JSON|depth/],
  ])('for %s', async (_, shop, reason) => {
    await expectTreeRefused(shop, reason)
  })

  it.each([
    ['a size that its content does not have', treeBytes([fileNode('rows.sql', content, { size: 2 ** 50 })]), /rows\.sql/],
    ['a folder whose tree is nowhere', treeBytes([rows, folderNode('below', Buffer.from('nowhere'))]), /in no/],
  ])('for %s, and the file that the manifest names is read as it was stored', async (_, shop, reason) => {
    await expectTreeRefused(shop, reason, { right: content })
  })

  it('that lies deeper than any folder', { timeout: 60_000 }, async () => {
    const trees = [treeBytes([rows])]
    for (let depth = 0; depth < 600; depth++) trees.push(treeBytes([folderNode('below', trees.at(-1) ?? Buffer.alloc(0))]))
    const hostile = await hostileRepository()
    await hostile.indexOf(
      await hostile.pack([...trees.map((bytes) => ({ type: 'tree', bytes }) as const), { type: 'data', bytes: content }]),
    )
    await hostile.snapshot(storageIdOf(trees.at(-1) ?? Buffer.alloc(0)), [])
    const { errors } = await expectGoodBackup(hostile, { readData: false })
    expect(errors.map(({ message }) => message).join()).toMatch(/more than 512 folders deep/)
  })
})

it('looks once at a tree that is reached on more ways than anybody can go', { timeout: 20_000 }, async () => {
  const trees = [treeBytes([rows])]
  for (let depth = 0; depth < 60; depth++) {
    const below = trees.at(-1) ?? Buffer.alloc(0)
    trees.push(treeBytes([folderNode('left', below), folderNode('right', below)]))
  }
  const hostile = await hostileRepository()
  await hostile.indexOf(await hostile.pack([...trees.map((bytes) => ({ type: 'tree', bytes }) as const), { type: 'data', bytes: content }]))
  const top = storageIdOf(trees.at(-1) ?? Buffer.alloc(0))
  const snapshot = await hostile.snapshot(top, [])
  for (const readData of [false, true]) {
    const findings = await findingsOf(openUploader(hostile.uploader), { readData })
    expect(findings.map(({ severity }) => severity)).toEqual(['ok', 'ok'])
    expect(findings.map(({ key }) => key)).toContain(`snapshots/${snapshot}`)
  }
})

it('stores a backup beside one that is refused', async () => {
  const hostile = await hostileRepository()
  await forgeBackup(hostile, treeBytes([rows, rows]), { files, contents: [content] })
  await expectNextBackup(hostile)
})

it('takes names that are 255 characters long, in whatever they are counted', async () => {
  const long = ['n'.repeat(255), 'ü'.repeat(127), '数'.repeat(255)]
  const hostile = await hostileRepository()
  await forgeBackup(hostile, treeBytes([rows, ...long.map((name) => fileNode(name, content))]), { files, contents: [content] })
  expect((await expectGoodBackup(hostile, { readData: true })).errors).toEqual([])
})
