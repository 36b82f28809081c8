import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RunStage, Stage, StageContents, StageEvent, Staging } from '../contracts/index.ts'
import { createDirectoryStaging } from '../staging/directory-staging.ts'
import { describeStagingContract } from './describe-staging-contract.ts'
import { stagingChecks } from './staging-checks.ts'
import type { StagingHarness } from './staging-harness.ts'

async function makeStaging(spoil: (staging: Staging) => Staging = (staging) => staging): Promise<StagingHarness> {
  const root = await mkdtemp(path.join(tmpdir(), 'staging-contract-'))
  const create = (directory: string) => spoil(createDirectoryStaging({ directory, budgetBytes: 16_384, minimumFreeBytes: 0 }))
  const directory = path.join(root, 'staging')
  return {
    staging: create(directory),
    async crash() {
      const copy = path.join(root, 'copy')
      await cp(directory, copy, { recursive: true, preserveTimestamps: true })
      for (const job of await readdir(copy)) {
        for (const name of await readdir(path.join(copy, job))) if (name.startsWith('lock~')) await rm(path.join(copy, job, name))
      }
      return create(copy)
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
}

describeStagingContract('the directory staging', { makeStaging: () => makeStaging() })

interface Lies {
  readonly stage?: (stage: Stage) => Partial<Stage>
  readonly contents?: (contents: StageContents) => Partial<StageContents>
  readonly run?: (both: RunStage) => Partial<RunStage>
  readonly staging?: (staging: Staging) => Partial<Staging>
}

function lying({ stage, contents, run, staging: lies }: Lies): (staging: Staging) => Staging {
  const spoiled = (both: RunStage): RunStage => ({
    run: both.run,
    abandonedRuns: both.abandonedRuns,
    stage: { ...both.stage, ...stage?.(both.stage) },
    contents: {
      ...both.contents,
      get sealed() {
        return both.contents.sealed
      },
      ...contents?.(both.contents),
    },
    get sealed() {
      return both.sealed
    },
    stopDraining: (cause) => both.stopDraining(cause),
    stopFilling: (cause) => both.stopFilling(cause),
    remove: () => both.remove(),
    [Symbol.asyncDispose]: () => both[Symbol.asyncDispose](),
    ...run?.(both),
  })
  return (staging) => ({
    begin: async (request, options) => spoiled(await staging.begin(request, options)),
    async *resumable(job, options) {
      for await (const both of staging.resumable(job, options)) yield spoiled(both)
    },
    ...lies?.(staging),
  })
}

const without = (type: StageEvent['type']) => (contents: StageContents) => ({
  async *drain(options?: Parameters<StageContents['drain']>[0]) {
    for await (const event of contents.drain(options)) if (event.type !== type) yield event
  },
})

const brokenStagings: readonly (readonly [string, Lies, string])[] = [
  [
    'says a wrong hash',
    { stage: (stage) => ({ write: async (...parts) => ({ ...(await stage.write(...parts)), sha256: '0'.repeat(64) }) }) },
    'a written file has the size and SHA-256 of its content, and is read back as it is, often and in ranges',
  ],
  [
    'swallows the failure of a content',
    {
      stage: (stage) => ({
        write: (file, content, options) =>
          stage.write(
            file,
            (async function* () {
              try {
                yield* content
              } catch {}
            })(),
            options,
          ),
      }),
    },
    'nothing is left of a file whose content throws, and its name is free again',
  ],
  [
    'ignores the signal',
    { stage: (stage) => ({ write: (file, content) => stage.write(file, content) }) },
    'a signal that is aborted beforehand has no effect',
  ],
  ['forgets to say that items are complete', { contents: without('item') }, 'everything comes in order, and the drain ends after sealed'],
  [
    'lets names out',
    {
      stage: (stage) => ({
        write: (file, content, options) => stage.write({ ...file, name: file.name.replaceAll(/[^a-z0-9]/g, '') || 'x' }, content, options),
      }),
    },
    'a name that could leave the item is refused',
  ],
  [
    'promises a larger file than it takes',
    { stage: (stage) => ({ largestFile: stage.largestFile + 1 }) },
    'a file larger than largestFile is OUT_OF_SPACE',
  ],
  [
    'does not hear that draining stopped',
    { run: () => ({ stopDraining: () => undefined }) },
    'after stopDraining a writer that has to wait fails with the cause, one that has room goes on',
  ],
  [
    'does not hear that filling stopped',
    { run: () => ({ stopFilling: () => undefined }) },
    'after stopFilling the drain throws the cause, and nothing can be sealed',
  ],
  [
    'loses notes',
    { contents: () => ({ note: async () => undefined }) },
    'a crash after the seal loses nothing: not what is left to send, and not what is sent already',
  ],
  [
    'never offers what it keeps',
    { staging: () => ({ async *resumable() {} }) },
    'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
  ],
  [
    'keeps nothing that is let go',
    { run: (both) => ({ [Symbol.asyncDispose]: () => both.remove() }) },
    'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
  ],
  [
    'seals a stage with an open item',
    { stage: () => ({ seal: async () => undefined }) },
    'a stage with an item that is neither sealed nor failed cannot be sealed',
  ],
  [
    'never says that a writer waits',
    { contents: without('pressure') },
    'several writers at once get through with a drainer that lets go only when pressed, and the budget holds',
  ],
]

describe('the suite catches a staging that', () => {
  test.concurrent.each(brokenStagings)('%s', async (_, lies, name) => {
    const check = stagingChecks.find((candidate) => candidate.name === name)
    if (check === undefined) throw new TypeError(`there is no check "${name}"`)
    const harness = await makeStaging(lying(lies))
    try {
      await expect(check.run(harness)).rejects.toThrow()
    } finally {
      await harness.dispose?.()
    }
  })
})
