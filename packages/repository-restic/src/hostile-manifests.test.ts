import { expect, it } from 'vitest'
import { expectGoodBackup, expectNextBackup, expectRefused, filesOfBadBackup, memoryOf } from './__fixtures__/hostile-outcome.ts'
import { fileNode, folderNode, forgeBackup, forgedManifest, hostileRepository, treeBytes } from './__fixtures__/hostile-repository.ts'
import { openUploader } from './__fixtures__/small-repository.ts'
import { storageIdOf } from './format/storage-id.ts'

const content = Buffer.from('what somebody would like to have written')
const shop = treeBytes([fileNode('rows.sql', content)])
const size = content.byteLength
const contents = [content]

it.each([
  ['the id of another backup', forgedManifest([], { id: 'run-good' }), /holds the manifest of run-good/],
  ['another job', forgedManifest([], { job: 'other' }), /tagged|manifest/],
  ['no field of a manifest', Buffer.from('{"format":"backup-planet/manifest/1"}'), /manifest/],
  ['no JSON', Buffer.from('\u0000'), /no JSON/],
  ['nothing', Buffer.alloc(0), /no JSON/],
  ['a format of its own', Buffer.from('{"format":"something"}'), /manifest/],
])('refuses a snapshot that is tagged as a backup and whose manifest has %s', async (_, manifest, reason) => {
  const hostile = await hostileRepository()
  await forgeBackup(hostile, shop, { manifest, contents })
  await expectRefused(hostile, reason)
  expect(await filesOfBadBackup(hostile)).toEqual([])
})

it.each([
  ['a name that its tree has not', [{ name: 'other.sql', size }], /other\.sql/],
  ['another size than its tree', [{ name: 'rows.sql', size: size + 1 }], /rows\.sql/],
  ['an absurd size', [{ name: 'rows.sql', size: 2 ** 52 }], /rows\.sql/],
  ['a name that leads out', [{ name: '../../../manifest.json', size }], /manifest\.json/],
  ['a name from the root', [{ name: '/rows.sql', size }], /rows\.sql/],
  ['the name of a folder', [{ name: '.', size }], /is not in its tree|in its manifest/],
])('refuses a backup whose manifest has %s', async (_, files, reason) => {
  const hostile = await hostileRepository()
  await forgeBackup(hostile, shop, { files, contents })
  await expectRefused(hostile, reason)
})

it('refuses a snapshot that is tagged as a backup and has no manifest, or a folder for one', async () => {
  for (const nodes of [[], [folderNode('manifest.json', shop)]]) {
    const hostile = await hostileRepository()
    const top = treeBytes(nodes)
    await hostile.indexOf(
      await hostile.pack([top, shop].map((bytes) => ({ type: 'tree', bytes }))),
      await hostile.pack([{ type: 'data', bytes: content }]),
    )
    await hostile.snapshot(storageIdOf(top))
    await expectRefused(hostile, /manifest\.json|no JSON/)
  }
})

it('takes no memory for a manifest or a guide that claim a gigabyte', async () => {
  const hostile = await hostileRepository()
  const piece = Buffer.alloc(1024 ** 2, 'x')
  const huge = { content: Array.from({ length: 1024 }, () => storageIdOf(piece)), size: 1024 ** 3 }
  const claims = fileNode('manifest.json', piece, { size: 1024 ** 3 })
  for (const manifest of [fileNode('manifest.json', piece, huge), claims]) {
    const top = treeBytes([manifest])
    await hostile.indexOf(await hostile.pack([{ type: 'tree', bytes: top }]), await hostile.pack([{ type: 'data', bytes: piece }]))
    await hostile.snapshot(storageIdOf(top))
  }
  await forgeBackup(hostile, shop, {
    files: [{ name: 'rows.sql', size }],
    contents: [content, piece],
    root: [fileNode('RESTORE.md', piece, huge)],
  })
  const memory = await memoryOf(async () => {
    const { errors } = await expectGoodBackup(hostile, { readData: false })
    expect(errors.map(({ message }) => message).join('\n')).toMatch(/manifest\.json claims to have/)
    const repository = openUploader(hostile.uploader)
    for await (const backup of repository.list({ id: 'run-bad' })) {
      await expect(repository.readGuide?.(backup)).rejects.toMatchObject({
        code: 'CORRUPTED',
        message: expect.stringMatching(/claims to have/),
      })
    }
    await expectNextBackup(hostile)
  })
  expect(memory).toBeLessThan(200 * 1024 ** 2)
})
