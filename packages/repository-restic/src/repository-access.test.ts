import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { isIrreducible } from './crypto/irreducible-polynomial.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { isStorageId, storageIdOf } from './format/storage-id.ts'
import { initializeRepository, openRepository, writableConfig } from './repository-access.ts'

const password = 'correct horse'
const cost = { N: 2, r: 1, p: 1 }

describe('a new repository', () => {
  it('opens with its password, and has an id and a polynomial of its own', async () => {
    const [first, second] = await Promise.all([created(), created()])
    const [one, two] = await Promise.all([openRepository(first, password, {}), openRepository(second, password, {})])
    for (const { config } of [one, two]) {
      expect(config?.version).toBe(2)
      expect(isStorageId(config?.id)).toBe(true)
      expect(isIrreducible(BigInt(`0x${config?.chunkerPolynomial}`))).toBe(true)
    }
    expect(one.config?.id).not.toBe(two.config?.id)
    expect(one.config?.chunkerPolynomial).not.toBe(two.config?.chunkerPolynomial)
    expect(one.key.encrypt).not.toEqual(two.key.encrypt)
    expect(writableConfig(one)).toBe(one.config)
    expect([...first.objects.keys()].sort()).toEqual(['config', `keys/${one.keyId}`])
  })

  it('may cut files as another one does', async () => {
    const uploader = createMemoryUploader()
    await initializeRepository(uploader, { password, cost, chunkerPolynomial: '3da3358b4dc173' }, {})
    expect((await openRepository(uploader, password, {})).config?.chunkerPolynomial).toBe('3da3358b4dc173')
  })

  it.each(['fail', 'fail-half-way'] as const)(
    'whose config could not be written (%s) leaves nothing, and can be made again',
    async (action) => {
      const uploader = createMemoryUploader({ faults: [{ operation: 'upload', occurrence: 2, action }] })
      await expect(initializeRepository(uploader, { password, cost }, {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
      expect(uploader.objects.size).toBe(0)
      await initializeRepository(uploader, { password, cost }, {})
      expect((await openRepository(uploader, password, {})).config?.version).toBe(2)
    },
  )

  it('that was aborted before its config leaves nothing', async () => {
    const uploader = createMemoryUploader({ faults: [{ operation: 'upload', occurrence: 2, action: 'stall' }] })
    const controller = new AbortController()
    const upload: Uploader['upload'] = (key, ...call) => {
      if (key === 'config') setImmediate(() => controller.abort())
      return uploader.upload(key, ...call)
    }
    const making = initializeRepository({ ...uploader, upload }, { password, cost }, { signal: controller.signal })
    await expect(making).rejects.toMatchObject({ code: 'ABORTED' })
    expect(uploader.objects.size).toBe(0)
  })

  it('keeps its key where the config arrived and the answer did not', async () => {
    const uploader = createMemoryUploader()
    const upload: Uploader['upload'] = async (key, ...call) => {
      const stored = await uploader.upload(key, ...call)
      if (key === 'config') throw new BackupError('the answer was lost', { code: 'UNREACHABLE', hint: 'Try again.' })
      return stored
    }
    await expect(initializeRepository({ ...uploader, upload }, { password, cost }, {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect((await openRepository(uploader, password, {})).config?.version).toBe(2)
  })

  it('has its config last: what was cut before is none', async () => {
    const faults = [
      { operation: 'upload', occurrence: 2, action: 'fail' },
      { operation: 'remove', occurrence: 1, action: 'fail' },
    ] as const
    const uploader = createMemoryUploader({ faults })
    await expect(initializeRepository(uploader, { password, cost }, {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect([...uploader.objects.keys()]).toEqual([expect.stringMatching(/^keys\//)])
    await expect(initializeRepository(uploader, { password, cost }, {})).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringContaining('keys/'),
    })
    expect(writableFailure(await openRepository(uploader, password, {}))).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('is not made where one is', async () => {
    const uploader = await created()
    const before = new Map(uploader.objects)
    await expect(initializeRepository(uploader, { password, cost }, {})).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(uploader.objects).toEqual(before)
  })

  it('is made by one of two who make it at once, or by none: never with the key of one and the config of the other', async () => {
    const uploader = createMemoryUploader()
    const together: Uploader['upload'] = async (...call) => {
      const stored = await uploader.upload(...call)
      await new Promise((resolve) => setImmediate(resolve))
      return stored
    }
    const makers = ['first', 'second'].map((own) =>
      initializeRepository({ ...uploader, upload: together }, { password: own, cost }, {}).then(
        () => own,
        (error: unknown) => error,
      ),
    )
    const made = await Promise.all(makers)
    const successes = made.filter((result) => typeof result === 'string')
    expect(successes.length).toBeLessThanOrEqual(1)
    for (const failure of made.filter((result) => typeof result !== 'string')) expect(failure).toMatchObject({ code: 'ALREADY_EXISTS' })
    for (const own of successes) expect((await openRepository(uploader, own, {})).configFailure).toBeUndefined()
    if (successes.length === 0) expect(uploader.objects.size).toBe(0)
  })
})

describe('opening a repository', () => {
  it('is not possible where there is none', async () => {
    await expect(openRepository(createMemoryUploader(), password, {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it.each([
    ['changed', (bytes: Uint8Array) => bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte))],
    ['cut', (bytes: Uint8Array) => bytes.subarray(1)],
  ])('with a config that is %s reads, and does not write', async (_, damage) => {
    const uploader = await created()
    replaceConfig(uploader, damage(uploader.objects.get('config')?.bytes ?? Buffer.of()))
    const opened = await openRepository(uploader, password, {})
    expect(opened.config).toBeUndefined()
    expect(opened.configFailure).toMatchObject({ code: 'CORRUPTED', message: expect.stringMatching(/^config: /) })
    expect(writableFailure(opened)).toBe(opened.configFailure)
  })

  it('with a config that says nothing that is one reads, and does not write', async () => {
    const uploader = await created()
    const { key } = await openRepository(uploader, password, {})
    replaceConfig(uploader, seal(key, Buffer.from('{"version":"two"}')))
    expect(writableFailure(await openRepository(uploader, password, {}))).toMatchObject({ code: 'CORRUPTED' })
  })

  it('of version 1 reads, and does not write', async () => {
    const opened = await openedWithVersion(1)
    expect(opened.config?.version).toBe(1)
    expect(writableFailure(opened)).toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('restic migrate upgrade_repo_v2') })
  })

  it('of a version to come is not possible', async () => {
    await expect(openedWithVersion(3)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('format version 3') })
  })

  it('is not possible while the store does not answer', async () => {
    const uploader = await created()
    uploader.injectFault({ operation: 'download', occurrence: 2, action: 'fail' })
    await expect(openRepository(uploader, password, {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})

async function created(): Promise<MemoryUploader> {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost }, {})
  return uploader
}

async function openedWithVersion(version: number) {
  const uploader = await created()
  const { key } = await openRepository(uploader, password, {})
  const config = { version, id: storageIdOf(Buffer.of()), chunker_polynomial: '3da3358b4dc173' }
  replaceConfig(uploader, seal(key, Buffer.from(JSON.stringify(config))))
  return await openRepository(uploader, password, {})
}

function replaceConfig({ objects }: MemoryUploader, bytes: Uint8Array): void {
  objects.set('config', { bytes, modifiedAt: '', sha256: '' })
}

function writableFailure(repository: Parameters<typeof writableConfig>[0]): BackupError | undefined {
  try {
    writableConfig(repository)
  } catch (error) {
    if (BackupError.is(error)) return error
    throw error
  }
  return undefined
}
