import { inspect } from 'node:util'
import { createMemoryUploader, type MemoryObject } from '@backup-planet/core/testing'
import { afterEach, expect, it, vi } from 'vitest'
import { cheapCost, emptyRepository, filledStage, findingsOf, listing, openUploader, password } from './__fixtures__/small-repository.ts'
import type { MasterKey } from './crypto/master-key.ts'
import { openRepository } from './repository-access.ts'
import { sealedKeyFile } from './repository-keys.ts'
import { writeNamedObject } from './repository-objects.ts'
import { plugin } from './restic-plugin.ts'
import { createResticRepository } from './restic-repository.ts'

const derivations = vi.hoisted(() => ({ passwords: [] as string[], costs: [] as unknown[] }))

vi.mock('./crypto/password-key.ts', async (original) => {
  const actual = await original<typeof import('./crypto/password-key.ts')>()
  return {
    ...actual,
    passwordKey: (text: string, derivation: Parameters<typeof actual.passwordKey>[1]) => {
      derivations.passwords.push(text)
      derivations.costs.push([derivation.N, derivation.r, derivation.p])
      return actual.passwordKey(text, derivation)
    },
  }
})

afterEach(() => {
  derivations.passwords.length = 0
  derivations.costs.length = 0
})

async function threeKeys(): Promise<Map<string, MemoryObject>> {
  const objects = await emptyRepository()
  const uploader = createMemoryUploader({ objects })
  const { key } = await openRepository(uploader, password, {})
  for (const [at, other] of ['second password', 'third password'].entries()) {
    await writeNamedObject(uploader, 'keys', await sealedKeyFile(key, other, { ...cheapCost, p: at + 2 }), {})
  }
  derivations.passwords.length = 0
  derivations.costs.length = 0
  return objects
}

const wrong = [
  'x',
  `${password} `,
  password.slice(0, -1),
  password.toUpperCase(),
  'pässwörd',
  '\0',
  'long '.repeat(10_000),
  '../../config',
  '{"N":2}',
]

it('a wrong password is one error, and costs the same whatever it is like: one derivation for each key', async () => {
  const objects = await threeKeys()
  for (const text of wrong) {
    const error = await listing(openUploader(createMemoryUploader({ objects }), { password: text })).catch((thrown: unknown) => thrown)
    expect(error, text.slice(0, 20)).toMatchObject({
      code: 'WRONG_CREDENTIALS',
      message: 'the password opens none of 3 keys of memory://',
      hint: expect.stringMatching(/^Give the password.+\.$/),
    })
    expect(derivations.costs.splice(0).sort()).toEqual([
      [2, 1, 1],
      [2, 1, 2],
      [2, 1, 3],
    ])
  }
})

it('every operation says so, and none of them changes anything', async () => {
  const objects = await threeKeys()
  const before = new Map(objects)
  const stage = await filledStage({}, { shop: { rows: Buffer.from('rows') } })
  const open = () => openUploader(createMemoryUploader({ objects }), { password: 'not the password' })
  const backup = { id: 'run', job: 'job' } as Parameters<ReturnType<typeof open>['inventory']>[0]
  const operations: (() => Promise<unknown>)[] = [
    () => listing(open()),
    () => open().initialize(),
    () => open().store({ run: stage.run, agent: { version: '1' } }, stage.contents),
    () => open().inventory(backup),
    () => read(open().open(backup, { item: 'shop', name: 'rows' })),
    () => read(open().read(backup, () => true)),
    () => open().remove([backup]),
    () => read(open().verify({ readData: true })),
    () => open().keys.list(),
    () => open().keys.add('new password'),
    () => open().keys.remove('0'),
    () => open().keys.changePassword('new password'),
    () => open().unlock('all'),
  ]
  for (const operation of operations) await expect(operation(), String(operation)).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  expect(objects).toEqual(before)
})

async function read(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}

/** In every way in which a secret could be printed. */
function forms(secret: string | Uint8Array): string[] {
  const bytes = Buffer.from(secret as string)
  return [bytes.toString('utf8'), bytes.toString('hex'), bytes.toString('base64'), bytes.toString('latin1'), [...bytes].join(', ')]
}

function secretsOf({ encrypt, macK, macR }: MasterKey): string[] {
  return [password, 'not the password', ...[encrypt, macK, macR].flatMap(forms), ...forms(password), ...forms('not the password')]
}

it('no password and no key in what is thrown, told, or seen of the repository', async () => {
  const objects = await threeKeys()
  const uploader = createMemoryUploader({ objects })
  const { key } = await openRepository(uploader, password, {})
  const said: string[] = []
  const look = (value: unknown) => {
    said.push(inspect(value, { depth: 20, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }), String(value))
    if (value instanceof Error) said.push(`${value.stack}`, JSON.stringify(value), inspect(value.cause, { depth: 20, showHidden: true }))
  }
  const onProgress = look
  const stage = await filledStage({ id: 'run-1' }, { shop: { rows: Buffer.from('rows') } })

  const right = openUploader(uploader)
  look(await right.store({ run: stage.run, agent: { version: '1' } }, stage.contents, { onProgress }))
  for await (const backup of right.list({}, { onProgress })) look(backup)
  for await (const finding of right.verify({ readData: true }, { onProgress })) look(finding)
  look(await right.keys.list({ onProgress }))
  look(await right.keys.remove('0'.repeat(64)).catch((error: unknown) => error))
  look(right)
  look(await listing(openUploader(uploader, { password: 'not the password' })).catch((error: unknown) => error))
  for (const object of [...objects.keys()]) {
    const broken = new Map(objects)
    broken.set(object, { bytes: Buffer.from('{}'), modifiedAt: '', sha256: '' })
    const repository = openUploader(createMemoryUploader({ objects: broken }))
    const findings = await findingsOf(repository, { readData: true }).catch((error: unknown) => [error])
    for (const finding of findings) look(finding)
    look(await listing(repository).catch((error: unknown) => error))
    look(repository)
  }
  const settings = { password: 'not the password', packBytes: 7, threads: 'many', unknown: 1 }
  for (const attempt of [
    () => createResticRepository({ uploader, ...settings } as unknown as Parameters<typeof createResticRepository>[0]),
    () => plugin.create(uploader, settings),
    () => createResticRepository({ uploader, password: ['not the password'] } as unknown as Parameters<typeof createResticRepository>[0]),
  ]) {
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
    try {
      attempt()
    } catch (error) {
      look(error)
    }
  }
  said.push(process.argv.join(' '))
  expect(said.length).toBeGreaterThan(50)
  for (const secret of secretsOf(key)) expect(said.filter((text) => text.includes(secret))).toEqual([])
})
