import type { Backup, CaptureFacts, Finding, Problem, StagedRun, Uploader } from '@backup-planet/core'
import {
  bytesOf,
  chunksOf,
  createMemoryStage,
  createMemoryUploader,
  type MemoryObject,
  type MemoryStage,
} from '@backup-planet/core/testing'
import { initializeRepository } from '../repository-access.ts'
import { createResticRepository, type ResticRepository } from '../restic-repository.ts'

/** By item and name. */
export type Contents = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>

export const password = 'correct horse battery staple'

/** The cheapest that scrypt knows: these repositories are opened many thousand times. */
export const cheapCost = { N: 2, r: 1, p: 1 } as const

export async function emptyRepository(): Promise<Map<string, MemoryObject>> {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  return uploader.objects
}

/** As another process would have it: nothing is remembered. */
export function openUploader(uploader: Uploader, more: Readonly<Record<string, unknown>> = {}): ResticRepository {
  return createResticRepository({ uploader, password, cacheDirectory: false, threads: 1, ...more })
}

export function openObjects(objects: ReadonlyMap<string, MemoryObject>): ResticRepository {
  return openUploader(createMemoryUploader({ objects: new Map(objects) }))
}

export async function filledStage(run: Partial<StagedRun>, contents: Contents, facts: Partial<CaptureFacts> = {}): Promise<MemoryStage> {
  const stage = createMemoryStage({ run })
  for (const [item, files] of Object.entries(contents)) {
    for (const [name, bytes] of Object.entries(files)) await stage.stage.write({ item, name }, chunksOf(bytes, [7000]))
    await stage.stage.sealItem({ item, facts: {} })
  }
  await stage.stage.seal({
    application: 'memory',
    source: { id: 'server-1', name: 'server', version: '1.0' },
    kind: 'full',
    consistentAt: '2026-01-01T00:00:05.000Z',
    facts: {},
    restoreGuide: 'Copy the files back.',
    ...facts,
  })
  return stage
}

export async function storeContents(repository: ResticRepository, id: string, contents: Contents): Promise<Backup> {
  const stage = await filledStage({ id }, contents)
  return await repository.store({ run: stage.run, agent: { version: '1.0.0' } }, stage.contents)
}

export interface Listing {
  readonly backups: readonly Backup[]
  readonly problems: readonly Problem[]
}

export async function listing(repository: ResticRepository): Promise<Listing> {
  const backups: Backup[] = []
  const problems: Problem[] = []
  for await (const backup of repository.list({}, { onProgress: (event) => event.type === 'problem' && problems.push(event.problem) })) {
    backups.push(backup)
  }
  return { backups, problems }
}

export async function findingsOf(
  repository: ResticRepository,
  request: Parameters<ResticRepository['verify']>[0] = {},
): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const finding of repository.verify(request)) findings.push(finding)
  return findings
}

/** Every file of a backup, as `item/name`: its bytes, or the error that reading it gave. */
export async function restored(repository: ResticRepository, backup: Backup): Promise<ReadonlyMap<string, Buffer | Error>> {
  const files = new Map<string, Buffer | Error>()
  for (const { item, files: listed = [] } of await repository.inventory(backup)) {
    for (const { name } of listed) {
      const bytes = await bytesOf(repository.open(backup, { item, name })).catch((error: unknown) => error as Error)
      files.set(`${item}/${name}`, bytes)
    }
  }
  return files
}

/** The same with one stream for all; throws what it throws. */
export async function restoredAtOnce(repository: ResticRepository, backup: Backup): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for await (const { item, name, content } of repository.read(backup, () => true)) files.set(`${item}/${name}`, await bytesOf(content))
  return files
}

export function filesOf(contents: Contents): ReadonlyMap<string, Buffer> {
  return new Map(
    Object.entries(contents).flatMap(([item, files]) =>
      Object.entries(files).map(([name, bytes]) => [`${item}/${name}`, Buffer.from(bytes)] as const),
    ),
  )
}

/** Names of what is missing, too much, or other than it must be; comparing the bytes as values would take seconds. */
export function differences(found: ReadonlyMap<string, Buffer>, right: ReadonlyMap<string, Buffer>): string[] {
  return [...new Set([...found.keys(), ...right.keys()])].filter((name) => {
    const bytes = right.get(name)
    return bytes === undefined || found.get(name)?.equals(bytes) !== true
  })
}
