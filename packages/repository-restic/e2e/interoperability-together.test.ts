import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { collect, eventually } from '@backup-planet/core/conformance'
import { createMemoryStage, sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Contents, storeContents } from '../src/__fixtures__/small-repository.ts'
import { expectSameTree, type FolderTree, readFolderTree } from './folder-tree.ts'
import { createSharedPlace, expectRestorable, expectWhole, initializeOurs, type SharedPlace } from './interoperability-fixture.ts'
import { resticProgram } from './restic-command.ts'

async function sharedPlace(): Promise<SharedPlace> {
  const place = await createSharedPlace()
  onTestFinished(() => place[Symbol.asyncDispose]())
  await initializeOurs(place)
  return place
}

const contentsOf = (seed: number): Contents => ({
  shop: { 'same.bin': sampleBytes(6_000_000, 1), 'other.bin': sampleBytes(6_000_000, seed), 'small.sql': Buffer.from(`${seed}`) },
})

/** A run of ours that has locked the repository, sent something, and waits for the rest of its item. */
async function runningStore(place: SharedPlace) {
  const stage = createMemoryStage({ run: { id: '20260109-1' } })
  const rest = Promise.withResolvers<void>()
  const contents: Contents = { shop: { 'first.bin': sampleBytes(20_000_000, 9), 'second.bin': sampleBytes(1_000_000, 10) } }
  const filled = (async () => {
    await stage.stage.write({ item: 'shop', name: 'first.bin' }, chunks(contents.shop?.['first.bin'] ?? Buffer.alloc(0)))
    await rest.promise
    await stage.stage.write({ item: 'shop', name: 'second.bin' }, chunks(contents.shop?.['second.bin'] ?? Buffer.alloc(0)))
    await stage.stage.sealItem({ item: 'shop', facts: {} })
    await stage.stage.seal({
      application: 'memory',
      source: { id: 'server-1', name: 'server', version: '1.0' },
      kind: 'full',
      consistentAt: '2026-01-09T00:00:00.000Z',
      facts: {},
      restoreGuide: '',
    })
  })()
  const repository = place.open()
  const before = await packsOf(place)
  const stored = repository.store({ run: stage.run, agent: { version: '1.0.0' } }, stage.contents)
  stored.catch(() => undefined)
  // Those of earlier backups say nothing of this one: it may not even have its lock.
  await eventually(async () => (await packsOf(place)).length > before.length, 'the first pack', 60_000)
  return {
    contents,
    async finish() {
      rest.resolve()
      await filled
      return await stored
    },
  }
}

/** Names of what is stored whole. There is no folder where there is nothing. */
async function objectsOf({ restic }: SharedPlace, kind: 'data' | 'locks'): Promise<string[]> {
  const names = await readdir(`${restic.repository}/${kind}`, { recursive: true }).catch(() => [])
  return names.filter((name) => /(^|\/)[0-9a-f]{64}$/.test(name))
}

const packsOf = (place: SharedPlace) => objectsOf(place, 'data')
const locksOf = (place: SharedPlace) => objectsOf(place, 'locks')

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += 500_000) yield bytes.subarray(at, at + 500_000)
}

describe.skipIf(resticProgram === undefined)('with restic at work on the same repository,', () => {
  it('several of its backups and of ours at once are all whole', async () => {
    const place = await sharedPlace()
    const { restic } = place
    const source = place.path('source')
    await mkdir(source)
    const trees = new Map<string, FolderTree>()
    const theirs = (async () => {
      for (const round of [1, 2, 3, 4, 5]) {
        await writeFile(`${source}/file ${round}`, sampleBytes(3_000_000, 100 + round))
        // Also what we are storing at this moment.
        await writeFile(`${source}/same`, sampleBytes(6_000_000, 1))
        await restic.run(['backup', '--tag', `round=${round}`, '.'], { directory: source })
        trees.set(`round=${round}`, await readFolderTree(source))
      }
    })()
    const ours = [1, 2, 3].map(async (lane) => {
      const backups = []
      for (const run of [1, 2]) {
        const contents = contentsOf(lane * 10 + run)
        backups.push({ contents, backup: await storeContents(place.open(), `2026010${lane}-${run}`, contents) })
      }
      return backups
    })
    const [backups] = await Promise.all([Promise.all(ours), theirs])
    await expectWhole(place)
    expect(await restic.run(['list', 'locks'])).toBe('')
    for (const { backup, contents } of backups.flat()) await expectRestorable(place.open(), backup, contents)
    const repository = place.open()
    const snapshots = (await collect(repository.snapshots())).filter(({ backup }) => backup === undefined)
    expect(snapshots).toHaveLength(5)
    for (const { id, tags } of snapshots) {
      const [tag = ''] = tags
      await repository.extract(id, { directory: place.path(tag) })
      expectSameTree(await readFolderTree(place.path(tag)), trees.get(tag) ?? new Map())
      await restic.run(['restore', id, '--target', place.path(`${tag} by restic`)])
      expectSameTree(await readFolderTree(place.path(`${tag} by restic`)), trees.get(tag) ?? new Map())
    }
  })

  it('its prune is refused while a store of ours runs, and loses nothing of it afterwards', async () => {
    const place = await sharedPlace()
    const gone = await storeContents(place.open(), '20260101-1', contentsOf(1))
    await place.restic.run(['forget', gone.storage.snapshot as string])
    const running = await runningStore(place)
    const refused = await place.restic.attempt(['prune'])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(`repository is already locked by PID ${process.pid}`)
    // What does not have to be alone goes on.
    await place.restic.run(['snapshots'])
    const backup = await running.finish()
    await place.restic.run(['prune', '--max-unused', '0'])
    await expectRestorable(place.open(), backup, running.contents)
    await expectWhole(place)
  })

  it('our store is refused while its prune runs, says who is in the way, and works afterwards', async () => {
    const place = await sharedPlace()
    const { restic } = place
    const stays = await storeContents(place.open(), '20260101-1', contentsOf(1))
    const gone = await storeContents(place.open(), '20260102-1', contentsOf(2))
    await restic.run(['forget', gone.storage.snapshot as string])
    const prune = restic.start(['prune', '--max-unused', '0'])
    const ended = new Promise<number | null>((resolve) => prune.on('exit', resolve))
    // It looks for other locks 200 milliseconds after it has written its own, and then begins.
    while ((await locksOf(place)).length === 0 && prune.exitCode === null);
    prune.kill('SIGSTOP')
    try {
      expect(await locksOf(place)).toHaveLength(1)
      await expect(storeContents(place.open(), '20260103-1', contentsOf(3))).rejects.toMatchObject({
        code: 'CONFLICT',
        retryable: true,
        message: expect.stringMatching(new RegExp(`locked exclusively by .*process ${prune.pid}\\b`)),
      })
      // Ours is not left lying, and reading needs none.
      expect(await locksOf(place)).toHaveLength(1)
      await expectRestorable(place.open(), stays, contentsOf(1))
    } finally {
      prune.kill('SIGCONT')
    }
    expect(await ended).toBe(0)
    const backup = await storeContents(place.open(), '20260103-1', contentsOf(3))
    await expectRestorable(place.open(), backup, contentsOf(3))
    await expectRestorable(place.open(), stays, contentsOf(1))
    await expectWhole(place)
  })

  it('the lock of a restic that was killed holds nobody up on the same host, and goes with the next store', async () => {
    const place = await sharedPlace()
    const { restic } = place
    await storeContents(place.open(), '20260101-1', contentsOf(1))
    const prune = restic.start(['prune'])
    const ended = new Promise<void>((resolve) => prune.on('exit', () => resolve()))
    while ((await locksOf(place)).length === 0 && prune.exitCode === null);
    prune.kill('SIGKILL')
    await ended
    expect(await locksOf(place)).toHaveLength(1)
    await expectRestorable(place.open(), await storeContents(place.open(), '20260102-1', contentsOf(2)), contentsOf(2))
    expect(await locksOf(place)).toEqual([])
    await expectWhole(place)
  })
})
