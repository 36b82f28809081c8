import { mkdtemp, readlink, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { earlierProcess, otherBoot, otherNamespace, withoutNamespace } from './__fixtures__/other-owners.ts'
import { isAbandoned } from './abandoned-place.ts'
import { currentOwner, ownedName, ownerInName, ownerState } from './process-owner.ts'

describe('the owner of a name', () => {
  test('is read back from it, and from nothing else', () => {
    for (const started of ['ab12.34.4026531836', 'ab12.34', 'unknown']) {
      const owner = { host: 'db%2E1', pid: 12, started }
      expect(ownerInName('lock', ownedName('lock', owner))).toEqual(owner)
      for (const name of ['lock', 'lock~', 'lock~a~b~c~d', ownedName('restore', owner), `${ownedName('lock', owner)}x`]) {
        expect(ownerInName('lock', name)).toBeUndefined()
      }
    }
  })

  test('lives as long as its process', async () => {
    const owner = await currentOwner()
    expect(await ownerState(owner)).toBe('alive')
    expect(await ownerState({ ...owner, pid: 2 ** 22 + 1 })).toBe('dead')
    expect(await ownerState({ ...owner, host: 'elsewhere' })).toBe('unknown')
  })
})

describe.runIf(process.platform === 'linux')('hosts and containers that share a name', () => {
  test('are told apart by the boot and the namespace of process numbers', async () => {
    const owner = await currentOwner()
    expect(`pid:[${owner.started.split('.')[2]}]`).toBe(await readlink('/proc/self/ns/pid'))
    expect(await ownerState(earlierProcess(owner))).toBe('dead')
    for (const other of [otherNamespace(owner), otherBoot(owner), { ...owner, started: 'unknown' }]) {
      expect(await ownerState(other)).toBe('unknown')
      expect(await ownerState({ ...other, pid: 2 ** 22 + 1 })).toBe('unknown')
    }
  })

  test('a name without a namespace, of an earlier release, is that of a process that lives, or says nothing', async () => {
    const owner = withoutNamespace(await currentOwner())
    expect(await ownerState(owner)).toBe('alive')
    expect(await ownerState({ ...owner, pid: 2 ** 22 + 1 })).toBe('unknown')
  })

  test('what they left belongs to nobody once nothing of it has changed for a week', async () => {
    const place = await mkdtemp(join(tmpdir(), 'left-'))
    onTestFinished(() => rm(place, { recursive: true }))
    const owner = await currentOwner()
    const file = join(place, 'file')
    await writeFile(file, 'x')
    const weekAgo = new Date(Date.now() - 7 * 86_400_000 - 1000)
    await utimes(place, weekAgo, weekAgo)
    expect(await isAbandoned(place, { ...owner, pid: 2 ** 22 + 1 })).toBe(true)
    expect(await isAbandoned(place, otherNamespace(owner))).toBe(false)
    await utimes(file, weekAgo, weekAgo)
    expect(await isAbandoned(place, otherNamespace(owner))).toBe(true)
    expect(await isAbandoned(place, owner)).toBe(false)
  })
})
