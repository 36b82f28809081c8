import { createMemoryUploader, type MemoryObject } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { memoryOf } from './__fixtures__/hostile-outcome.ts'
import { cheapCost, emptyRepository, findingsOf, listing, openObjects, openUploader, password } from './__fixtures__/small-repository.ts'
import { createMasterKey } from './crypto/master-key.ts'
import { passwordKey } from './crypto/password-key.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { storageIdOf } from './format/storage-id.ts'
import { sealedKeyFile } from './repository-keys.ts'
import { writeNamedObject } from './repository-objects.ts'

const mebibyte = 1024 ** 2

interface KeyFields {
  readonly N?: unknown
  readonly r?: unknown
  readonly p?: unknown
  readonly salt?: unknown
  readonly data?: unknown
  readonly kdf?: unknown
}

/** A key file of the right password, with these fields in place of its own. */
async function keyFile(fields: KeyFields): Promise<Buffer> {
  const file = JSON.parse((await sealedKeyFile(createMasterKey(), password, cheapCost)).toString('utf8')) as object
  return Buffer.from(JSON.stringify({ ...file, ...fields }))
}

async function withKey(file: Uint8Array): Promise<{ readonly objects: Map<string, MemoryObject>; readonly id: string }> {
  const objects = await emptyRepository()
  const id = await writeNamedObject(createMemoryUploader({ objects }), 'keys', file, {})
  return { objects, id }
}

const onlyKey = (objects: ReadonlyMap<string, MemoryObject>, id: string) =>
  new Map([...objects].filter(([key]) => !key.startsWith('keys/') || key === `keys/${id}`))

it.each([
  ['N = 2^30', { N: 2 ** 30 }],
  ['N = 2^30 and r = 2^30', { N: 2 ** 30, r: 2 ** 30 }],
  ['N beyond all numbers', { N: 1e300 }],
  ['N that is no power of two', { N: 3 }],
  ['N = 1', { N: 1 }],
  ['N below zero', { N: -32768 }],
  ['N in letters', { N: '32768' }],
  ['N too large for its r', { N: 2 ** 20, r: 1 }],
  ['no r', { r: 0 }],
  ['no p', { p: 0 }],
  ['p = 2^30', { p: 2 ** 30 }],
  ['another derivation', { kdf: 'argon2' }],
  ['a salt that is no base64', { salt: '***' }],
  ['data that is no base64', { data: 7 }],
])(
  'a key file with %s is refused at once, costs no memory, and keeps no other key from opening',
  { timeout: 20_000 },
  async (_, fields) => {
    const { objects, id } = await withKey(await keyFile(fields))
    const memory = await memoryOf(async () => {
      const error = { code: 'CORRUPTED', message: expect.stringContaining(`keys/${id}`), hint: expect.stringMatching(/\.$/) }
      await expect(listing(openObjects(onlyKey(objects, id)))).rejects.toMatchObject(error)
      expect(await listing(openObjects(objects))).toEqual({ backups: [], problems: [] })
    })
    expect(memory).toBeLessThan(100 * mebibyte)
  },
)

it.each([
  ['is no JSON', Buffer.from('key')],
  ['is empty', Buffer.alloc(0)],
  ['has 100 MiB', Buffer.alloc(100 * mebibyte, '{')],
])('a key file that %s is refused, and keeps no other key from opening', async (_, file) => {
  const { objects, id } = await withKey(file)
  await expect(listing(openObjects(onlyKey(objects, id)))).rejects.toMatchObject({
    code: 'CORRUPTED',
    message: expect.stringContaining(id),
  })
  expect(await listing(openObjects(objects))).toEqual({ backups: [], problems: [] })
})

it.each([
  ['no JSON', 'nothing'],
  ['keys of other lengths', JSON.stringify({ mac: { k: '', r: '' }, encrypt: 'AAAA' })],
])('a key file that opens and has %s in it is told, and what is in it is not', async (_, inside) => {
  const salt = Buffer.alloc(64)
  const data = seal(await passwordKey(password, { ...cheapCost, salt }), Buffer.from(inside)).toString('base64')
  const { objects, id } = await withKey(await keyFile({ salt: salt.toString('base64'), data, ...cheapCost }))
  const error = await listing(openObjects(onlyKey(objects, id))).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(id) })
  expect(String(error)).not.toContain(inside)
})

it('a key that opens and is of another repository: the config is told to be of another one', async () => {
  const { objects } = await withKey(await sealedKeyFile(createMasterKey(), 'another password', cheapCost))
  const findings = await findingsOf(openUploader(createMemoryUploader({ objects }), { password: 'another password' }))
  expect(findings).toMatchObject([
    { severity: 'error', key: 'config', code: 'CORRUPTED', message: expect.stringContaining('another repository') },
  ])
})

it('10 000 key files cost no more than twenty, and the error says that not all were tried', { timeout: 30_000 }, async () => {
  const objects = await emptyRepository()
  const file = await keyFile({})
  for (let at = 0; at < 10_000; at++) {
    const planted = Buffer.concat([file, Buffer.from(' '.repeat(1 + (at % 100))), Buffer.from('\n'.repeat(1 + Math.floor(at / 100)))])
    const id = storageIdOf(planted)
    objects.set(`keys/${id}`, { bytes: planted, modifiedAt: new Date(0).toISOString(), sha256: id })
  }
  const counting = createMemoryUploader({ objects })
  const opened = await listing(openUploader(counting, { password: 'not the password' })).catch((error: unknown) => error)
  expect(counting.calls.download).toBe(20)
  expect(opened).toMatchObject({
    code: 'WRONG_CREDENTIALS',
    message: expect.stringContaining('none of 20 keys'),
    hint: expect.stringContaining('below keys/'),
  })
  expect((opened as Error).message).toContain('9981')
})
