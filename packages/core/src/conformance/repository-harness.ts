import assert from 'node:assert/strict'
import type { Backup, CaptureFacts, OperationOptions, Repository, StageContents, StagedRun } from '../contracts/index.ts'
import { bytesOf, chunksOf, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryStage, type MemoryStage } from '../testing/memory-stage.ts'
import { collect, eventually } from './conformance-check.ts'

/** A repository on an empty place of its own, initialised where it must be. */
export interface RepositoryHarness {
  readonly repository: Repository
  /** A second repository on the same place, as another process would have it. */
  readonly another: () => Repository | Promise<Repository>
  /** Damages stored content of a file of a committed backup, behind the back of the repository. */
  readonly corruptSomething: () => Promise<void>
  /**
   * From now on the store refuses to remove the record of this backup, as under an object lock. Left out where a test cannot bring its store to
   * that: what a repository does then is not checked there.
   */
  readonly refuseRemoval?: (backup: Backup) => void
  readonly dispose?: () => Promise<void>
}

export type Contents = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>

export const agent = { version: '1.2.3' }

/** Items and files as applications have them, some odd. */
export const sampleContents: Contents = {
  shop: { 'data.sql': sampleBytes(30_000, 1), 'schema/tables.sql': sampleBytes(500, 2), empty: new Uint8Array(0) },
  'größe / "x" 数据': { 'data.sql': sampleBytes(30_000, 3), 'again.sql': sampleBytes(500, 2), 'sp ace-ü.bin': sampleBytes(11, 4) },
  large: { 'large.bin': sampleBytes(2_500_001, 5) },
  'without files': {},
}

export function captureFacts(more: Partial<CaptureFacts> = {}): CaptureFacts {
  return {
    application: 'memory',
    source: { id: 'server-1', name: 'server:1', version: '1.0' },
    kind: 'full',
    consistentAt: '2026-01-01T00:00:05.000Z',
    position: { chain: 'chain-1', value: { sequence: '7' } },
    facts: { character: 'utf8mb4', nested: { list: [1, null, true] } },
    restoreGuide: '# Restore\n\nCopy the files back.\n',
    ...more,
  }
}

export async function fillItem(stage: MemoryStage, item: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  let bytes = 0
  for (const [name, content] of Object.entries(files)) {
    await stage.stage.write({ item, name }, chunksOf(content, [7000]))
    bytes += content.byteLength
  }
  await stage.stage.sealItem({ item, bytes, facts: { kept: item }, to: { chain: 'chain-1', value: { sequence: '7' } } })
}

/** A stage with everything in it, sealed. */
export async function filledStage(
  run: Partial<StagedRun> = {},
  contents: Contents = sampleContents,
  facts: CaptureFacts = captureFacts(),
): Promise<MemoryStage> {
  const stage = createMemoryStage({ run })
  for (const [item, files] of Object.entries(contents)) await fillItem(stage, item, files)
  await stage.stage.seal(facts)
  return stage
}

/** Stores a stage as the pipeline does; with `contents`, what the repository sees of it is changed on the way. */
export async function storeStage(
  repository: Repository,
  stage: MemoryStage,
  options: OperationOptions & { readonly contents?: StageContents } = {},
): Promise<Backup> {
  const { contents = stage.contents, ...operation } = options
  return await repository.store({ run: stage.run, agent }, contents, operation)
}

/** Presses, while a stage is being stored, until the file is stored: what a failure finds sent already. */
export async function pressFor(stage: MemoryStage, item: string, name: string): Promise<void> {
  await eventually(() => {
    // Again and again: whatever is released makes room, and ends a pressure.
    if (!stage.released.includes(`${item}/${name}`)) stage.press()
    return stage.released.includes(`${item}/${name}`)
  }, `release of ${name} of ${item} under pressure`)
}

/** The same contents with another drain. */
export function withDrain(contents: StageContents, drain: StageContents['drain']): StageContents {
  return {
    budget: contents.budget,
    get sealed() {
      return contents.sealed
    },
    get notes() {
      return contents.notes
    },
    note: (note) => contents.note(note),
    drain,
  }
}

export async function storeAll(repository: Repository, run: Partial<StagedRun> = {}, contents: Contents = sampleContents): Promise<Backup> {
  return await storeStage(repository, await filledStage(run, contents))
}

export async function idsOf(repository: Repository): Promise<string[]> {
  return (await collect(repository.list())).map((backup) => backup.id)
}

/** Asserts that every file of the backup comes back, with `inventory`, `open` and `read`, and nothing else. */
export async function assertReadable(repository: Repository, backup: Backup, contents: Contents = sampleContents): Promise<void> {
  const items = (await repository.inventory(backup)).filter((item) => item.failure === undefined)
  assert.deepEqual(items.map((item) => item.item).sort(), Object.keys(contents).sort(), 'inventory must name every item')
  for (const item of items) {
    const expected = Object.entries(contents[item.item] ?? {})
    assert.deepEqual(
      item.files?.map((file) => [file.name, file.size]),
      expected.map(([name, bytes]) => [name, bytes.byteLength]),
      `inventory must name the files of ${item.item} in the order in which they were staged`,
    )
    for (const [name, bytes] of expected) {
      const found = await bytesOf(repository.open(backup, { item: item.item, name }))
      assert.ok(found.equals(Buffer.from(bytes)), `open must give ${name} of ${item.item} as it was`)
    }
  }
  const read: Record<string, string[]> = {}
  for await (const file of repository.read(backup, () => true)) {
    const found = await bytesOf(file.content)
    assert.ok(found.equals(Buffer.from(contents[file.item]?.[file.name] ?? '?')), `read must give ${file.name} of ${file.item} as it was`)
    assert.equal(file.size, found.length, 'read must give true sizes')
    read[file.item] = [...(read[file.item] ?? []), file.name]
  }
  for (const [item, files] of Object.entries(contents))
    assert.deepEqual(read[item] ?? [], Object.keys(files), `read must give all of ${item}, in order`)
}

export async function assertNoBackups(harness: RepositoryHarness): Promise<void> {
  for (const repository of [harness.repository, await harness.another()]) {
    assert.deepEqual(await idsOf(repository), [], 'no backup may be listed')
    const findings = await collect(repository.verify({ readData: true }))
    assert.deepEqual(
      findings.filter((finding) => finding.backup !== undefined && finding.severity === 'ok'),
      [],
      'verify must not find a whole backup',
    )
  }
}
