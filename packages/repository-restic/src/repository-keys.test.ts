import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader, reopenable } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { parseKeyFile } from './format/key-file.ts'
import { storageIdOf } from './format/storage-id.ts'
import { initializeRepository, openRepository } from './repository-access.ts'
import { addKey, changePassword, listKeys, openMasterKey, removeKey, sealedKeyFile } from './repository-keys.ts'
import { createResticRepository, type ResticRepository } from './restic-repository.ts'

const password = 'correct horse'
const cost = { N: 2, r: 1, p: 1 }

describe('a password', () => {
  it('opens the key that is its own, among others', async () => {
    const { uploader, repository } = await place()
    const second = await addKey(repository, 'battery staple', {})
    for (const [given, keyId] of [
      [password, repository.keyId],
      ['battery staple', second],
    ] as const)
      expect(await openMasterKey(uploader, given, {})).toEqual({ key: repository.key, keyId })
  })

  it('that is wrong is refused after as many attempts as there are keys, and shown nowhere', async () => {
    const { uploader, repository } = await place()
    await addKey(repository, 'battery staple', {})
    const refused = openMasterKey(uploader, 'hunter2 hunter2', {})
    await expect(refused).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS', message: expect.stringContaining('none of') })
    await expect(refused).rejects.not.toThrow(/hunter2/)
  })

  it('is of a repository that is there', async () => {
    await expect(openMasterKey(createMemoryUploader(), password, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const { uploader } = await place()
    for (const name of keysIn(uploader)) uploader.objects.delete(name)
    await expect(openMasterKey(uploader, password, {})).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining('no key'),
    })
  })

  it('opens its key although others are damaged, and is told of damage where none can be read', async () => {
    const { uploader, repository } = await place()
    const other = await addKey(repository, 'battery staple', {})
    damage(uploader, `keys/${other}`)
    expect((await openMasterKey(uploader, password, {})).keyId).toBe(repository.keyId)
    damage(uploader, `keys/${repository.keyId}`)
    await expect(openMasterKey(uploader, password, {})).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringMatching(/^keys\//),
    })
  })

  it('opens its key although one that is tried before is removed at this moment', async () => {
    const { uploader, repository } = await place()
    let file = await sealedKeyFile(repository.key, 'battery staple', cost)
    while (storageIdOf(file) > repository.keyId) file = await sealedKeyFile(repository.key, 'battery staple', cost)
    await uploader.upload(`keys/${storageIdOf(file)}`, reopenable(file))
    expect((await openMasterKey(vanishing(uploader, `keys/${storageIdOf(file)}`), password, {})).keyId).toBe(repository.keyId)
  })

  it('is not asked of more keys than restic asks', async () => {
    const { uploader, repository } = await place()
    const others = await Promise.all(Array.from({ length: 25 }, (_, at) => sealedKeyFile(repository.key, `other ${at}`, cost)))
    for (const file of others) await uploader.upload(`keys/${storageIdOf(file)}`, reopenable(file))
    const downloads = uploader.calls.download
    await expect(openMasterKey(uploader, 'wrong', {})).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
    expect(uploader.calls.download - downloads).toBe(20)
  })

  it('must not be empty', async () => {
    const { repository } = await place()
    await expect(addKey(repository, '', {})).rejects.toMatchObject({ code: 'INVALID_SETTINGS' })
  })
})

describe('a key file', () => {
  it('holds no password and no master key that can be read, and a salt of its own', async () => {
    const { repository } = await place()
    const files = await Promise.all([sealedKeyFile(repository.key, password, cost), sealedKeyFile(repository.key, password, cost)])
    const [first, second] = files.map((file) => parseKeyFile(file.toString()))
    expect(first?.salt).toHaveLength(64)
    expect(first?.salt).not.toEqual(second?.salt)
    for (const file of files) {
      expect(file.includes(password)).toBe(false)
      expect(Buffer.from(parseKeyFile(file.toString()).data).includes(Buffer.from(repository.key.encrypt))).toBe(false)
    }
  })
})

describe('the keys of a repository', () => {
  it('are listed, oldest first, with the one in use, and the damaged ones apart', async () => {
    const { uploader, repository } = await place()
    const second = await addKey(repository, 'battery staple', {})
    const third = await addKey(repository, 'staple battery', {})
    damage(uploader, `keys/${third}`)
    const { keys, damaged } = await listKeys(repository, {})
    expect(keys.map(({ id, current }) => ({ id, current }))).toEqual([
      { id: repository.keyId, current: true },
      { id: second, current: false },
    ])
    expect(damaged.map(({ message }) => message)).toEqual([expect.stringContaining(`keys/${third}`)])
  })

  it('are listed also when one goes meanwhile', async () => {
    const { uploader, repository } = await place()
    const other = await addKey(repository, 'battery staple', {})
    const { keys } = await listKeys({ ...repository, uploader: vanishing(uploader, `keys/${other}`) }, {})
    expect(keys.map(({ id }) => id)).toEqual([repository.keyId])
  })

  it('are removed by the beginning of their id', async () => {
    const { uploader, repository } = await place()
    const other = await addKey(repository, 'battery staple', {})
    expect(await removeKey(repository, other.slice(0, 12), {})).toBe(other)
    expect(keysIn(uploader)).toEqual([`keys/${repository.keyId}`])
    await expect(openMasterKey(uploader, 'battery staple', {})).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  })

  it.each([
    ['no key begins so', 'zz', 'NOT_FOUND'],
    ['it is empty, and could be any', '', 'NOT_FOUND'],
    ['it leads elsewhere', '../config', 'NOT_FOUND'],
  ])('are not removed when %s', async (_, id, code) => {
    const { uploader, repository } = await place()
    await addKey(repository, 'battery staple', {})
    await expect(removeKey(repository, id, {})).rejects.toMatchObject({ code })
    expect(keysIn(uploader)).toHaveLength(2)
  })

  it('are not removed when several begin so', async () => {
    const { uploader, repository } = await place()
    // Among 17 ids two begin with the same digit.
    for (let added = 0; added < 16; added++) {
      const file = await sealedKeyFile(repository.key, `other ${added}`, cost)
      await uploader.upload(`keys/${storageIdOf(file)}`, reopenable(file))
    }
    const digits = keysIn(uploader).map((name) => name.charAt('keys/'.length))
    const twice = digits.find((digit, at) => digits.indexOf(digit) < at) ?? ''
    await expect(removeKey(repository, twice, {})).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(keysIn(uploader)).toHaveLength(17)
  })

  it('that the repository was opened with stays', async () => {
    const { uploader, repository } = await place()
    await addKey(repository, 'battery staple', {})
    await expect(removeKey(repository, repository.keyId, {})).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(keysIn(uploader)).toHaveLength(2)
  })

  it('all stay when the one that this process knows is gone: the last one could be the only one that anybody has', async () => {
    const { uploader, repository } = await place()
    const theirs = await changePassword(await openRepository(uploader, password, {}), 'battery staple', {})
    await expect(removeKey(repository, theirs, {})).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(keysIn(uploader)).toEqual([`keys/${theirs}`])
  })
})

describe('changing the password', () => {
  it('leaves the new one only', async () => {
    const { uploader, repository } = await place()
    const id = await changePassword(repository, 'battery staple', {})
    expect(keysIn(uploader)).toEqual([`keys/${id}`])
    expect(await openMasterKey(uploader, 'battery staple', {})).toEqual({ key: repository.key, keyId: id })
    await expect(openMasterKey(uploader, password, {})).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  })

  it('leaves the old one when the new one does not arrive whole', async () => {
    const { uploader, repository } = await place()
    uploader.injectFault({ operation: 'upload', occurrence: uploader.calls.upload + 1, action: 'corrupt' })
    await expect(changePassword(repository, 'battery staple', {})).rejects.toBeInstanceOf(BackupError)
    expect((await openMasterKey(uploader, password, {})).keyId).toBe(repository.keyId)
  })

  it('is known to the repository that it was changed with: it goes on, and can be changed again', async () => {
    const { uploader } = await place()
    await using repository = createResticRepository({ uploader, password, cacheDirectory: false })
    await repository.keys.changePassword('battery staple')
    expect(await repository.keys.list()).toMatchObject([{ current: true }])
    const [key] = await repository.keys.list()
    await expect(repository.keys.remove(key?.id ?? '')).rejects.toMatchObject({ code: 'CONFLICT' })
    const id = await repository.keys.changePassword('staple battery')
    expect(keysIn(uploader)).toEqual([`keys/${id}`])
    for await (const finding of repository.verify()) expect(finding.severity).toBe('ok')
    expect((await openMasterKey(uploader, 'staple battery', {})).keyId).toBe(id)
  })
})

describe('whoever changes keys', () => {
  it.each([
    ['adds one', (keys: ResticRepository['keys']) => keys.add('battery staple')],
    ['removes one', (keys: ResticRepository['keys']) => keys.remove('abcdef').catch((error: BackupError) => error.code)],
    ['changes the password', (keys: ResticRepository['keys']) => keys.changePassword('battery staple')],
  ])('and %s waits for others as long as the settings say', async (_, act) => {
    const { uploader } = await place()
    await using repository = createResticRepository({ uploader, password, cacheDirectory: false, waitForLockMilliseconds: 60_000 })
    const lock = `locks/${'0'.repeat(64)}`
    uploader.objects.set(lock, { bytes: Buffer.of(0), modifiedAt: '', sha256: '' })
    const acting = act(repository.keys)
    const reads = uploader.calls.download
    await expect.poll(() => uploader.calls.download, { timeout: 10_000 }).toBeGreaterThan(reads + 1)
    uploader.objects.delete(lock)
    expect(await acting).toMatch(/^(NOT_FOUND|[0-9a-f]{64})$/)
  })
})

async function place() {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost }, {})
  return { uploader, repository: await openRepository(uploader, password, {}) }
}

function keysIn({ objects }: MemoryUploader): string[] {
  return [...objects.keys()].filter((name) => name.startsWith('keys/'))
}

/** An object that is listed and gone. */
function vanishing(uploader: MemoryUploader, name: string): Uploader {
  return {
    ...uploader,
    async *list(...call) {
      for await (const object of uploader.list(...call)) {
        if (object.key === name) uploader.objects.delete(name)
        yield object
      }
    },
  }
}

function damage({ objects }: MemoryUploader, name: string): void {
  const object = objects.get(name)
  if (object === undefined) throw new TypeError(`there is no ${name}`)
  objects.set(name, { ...object, bytes: object.bytes.map((byte, at) => (at === 10 ? byte ^ 1 : byte)) })
}
