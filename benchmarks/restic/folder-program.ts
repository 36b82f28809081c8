import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { CaptureFacts, StageContents, StagedFile, StageEvent } from '@backup-planet/core'
import { keepMemoryLean } from '../../packages/cli/src/lean-memory.ts'
import { filesBelow } from './mixed-files.ts'

/**
 * `node folder-program.ts init|store|again|restore|facts REPOSITORY FOLDER`, with the password in BENCH_PASSWORD: what the benchmark measures, as a
 * program of its own. `store` takes the files as a stage that is complete: their checksums, which staging knows, are in FOLDER.facts.jsonl, a file a
 * line, written by `facts`, and are checked on the way. `again` does the same for a job of which there is no backup, so that every file is read.
 */
keepMemoryLean()
// Only now: it starts the program anew, as the command does before it loads any plugin.
const { createDirectoryUploader, createRunId } = await import('@backup-planet/core')
const { createResticRepository } = await import('@backup-planet/repository-restic')
const [verb, place, folder] = process.argv.slice(2)
if (place === undefined || folder === undefined) throw new Error('give a verb, a repository and a folder')

if (verb === 'facts') await writeFacts(folder)
else {
  await using repository = createResticRepository({
    uploader: createDirectoryUploader({ directory: place }),
    password: process.env.BENCH_PASSWORD ?? '',
    cacheDirectory: false,
    ...(process.env.BENCH_LEVEL === undefined ? {} : { compressionLevel: Number(process.env.BENCH_LEVEL) }),
  })
  if (verb === 'init') await repository.initialize()
  else if (verb === 'store' || verb === 'again') {
    const run = { job: verb === 'store' ? 'bench' : 'bench-again', id: createRunId(new Date()), beganAt: new Date().toISOString() }
    await repository.store({ run, agent: { version: '0' } }, stageOf(folder))
  } else if (verb === 'restore') {
    let newest: string | undefined
    for await (const { id } of repository.snapshots()) newest = id
    if (newest === undefined) throw new Error('there is no backup')
    await repository.extract(newest, { directory: folder })
  } else throw new Error(`unknown verb ${verb}`)
}

interface FileFacts {
  readonly name: string
  readonly size: number
  readonly sha256: string
}

function captureFacts(): CaptureFacts {
  const source = { id: 'bench', name: 'bench', version: '1' }
  return { application: 'files', source, kind: 'full', consistentAt: new Date().toISOString(), facts: {}, restoreGuide: '' }
}

async function writeFacts(directory: string): Promise<void> {
  await using lines = await open(`${directory}.facts.jsonl`, 'w')
  for (const path of await filesBelow(directory)) {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Uint8Array)
    const facts: FileFacts = { name: relative(directory, path), size: (await stat(path)).size, sha256: hash.digest('hex') }
    await lines.appendFile(`${JSON.stringify(facts)}\n`)
  }
}

function stageOf(directory: string): StageContents {
  return {
    budget: 2 ** 30,
    sealed: true,
    notes: [],
    note: async () => undefined,
    async *drain(): AsyncGenerator<StageEvent, void> {
      // Line by line, so that the memory that is measured is that of the repository.
      await using facts = await open(`${directory}.facts.jsonl`)
      for await (const line of facts.readLines()) {
        const { name, size, sha256 } = JSON.parse(line) as FileFacts
        const file: StagedFile = {
          item: 'files',
          name,
          size,
          sha256,
          open: () => createReadStream(join(directory, name), { highWaterMark: 2 ** 18 }),
          async *readInto(room) {
            await using handle = await open(join(directory, name))
            for (let at = 0; at < size; ) {
              const place = await room()
              const { bytesRead } = await handle.read(place, 0, place.byteLength, at)
              if (bytesRead === 0) throw new Error(`${name} has become shorter`)
              at += bytesRead
              yield bytesRead
            }
          },
          release: async () => undefined,
        }
        yield { type: 'file', file }
      }
      yield { type: 'item', item: { item: 'files', facts: {} } }
      yield { type: 'sealed', facts: captureFacts() }
    },
  }
}
