import type { RunStage, Stage, StageContents, StagedFile, StageEvent, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { chunksOf } from '../testing/chunks-of.ts'
import { describeCatches, type Fault } from './__fixtures__/describe-catches.ts'
import { memoryStagingHarness } from './__fixtures__/memory-staging-harness.ts'
import { stagingChecks } from './staging-checks.ts'

interface Lies {
  readonly stage?: (stage: Stage) => Partial<Stage>
  readonly contents?: (contents: StageContents) => Partial<StageContents>
  readonly run?: (both: RunStage) => Partial<RunStage>
  readonly staging?: (staging: Staging) => Partial<Staging>
}

/** The same, but for what `changes` has. */
function differing<Sound extends object>(sound: Sound, changes: Partial<Sound> = {}): Sound {
  return new Proxy(sound, { get: (target, key) => Reflect.get(Object.hasOwn(changes, key) ? changes : target, key) })
}

function lying({ stage, contents, run, staging: lies }: Lies): (staging: Staging) => Staging {
  const spoiled = (both: RunStage): RunStage =>
    differing(both, {
      stage: differing(both.stage, stage?.(both.stage)),
      contents: differing(both.contents, contents?.(both.contents)),
      ...run?.(both),
    })
  return (staging) =>
    differing(staging, {
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

const withFiles = (change: (file: StagedFile) => Partial<StagedFile>) => (contents: StageContents) => ({
  async *drain(options?: Parameters<StageContents['drain']>[0]): AsyncGenerator<StageEvent, void> {
    for await (const event of contents.drain(options))
      yield event.type === 'file' ? { ...event, file: { ...event.file, ...change(event.file) } } : event
  },
})

/** A drain that can be made to take an event before it is asked for it, and gives it or loses it afterwards. */
function readingAhead(contents: StageContents, { isLost = false } = {}) {
  const ahead: Promise<IteratorResult<StageEvent>>[] = []
  let events: AsyncIterator<StageEvent> | undefined
  return {
    takeOne(): void {
      if (events === undefined) return
      const next = events.next()
      next.catch(() => undefined)
      ahead.push(next)
    },
    contents: differing(contents, {
      async *drain(options) {
        const given = contents.drain(options)[Symbol.asyncIterator]()
        events = given
        try {
          for (;;) {
            if (isLost) await ahead.shift()
            const { value, done } = await (ahead.shift() ?? given.next())
            if (done === true) return
            yield value
          }
        } finally {
          await given.return?.()
        }
      },
    }),
  }
}

function readingBeforeItemsFail({ stage, contents }: RunStage, options?: { readonly isLost: boolean }): Partial<RunStage> {
  const reading = readingAhead(contents, options)
  const failItem: Stage['failItem'] = (item, failure) => {
    reading.takeOne()
    return stage.failItem(item, failure)
  }
  return { stage: differing(stage, { failItem }), contents: reading.contents }
}

async function* withoutFailure(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    yield* content
  } catch {}
}

function emptyFile(item: string): StagedFile {
  return { item, name: 'file', size: 0, sha256: '', open: () => chunksOf(Buffer.alloc(0), [1]), release: async () => undefined }
}

/** Each breaks one promise. */
const broken: Readonly<Record<string, Fault<Lies>>> = {
  'says a wrong hash': {
    caughtBy: 'a written file has the size and SHA-256 of its content, and is read back as it is, often and in ranges',
    breakIt: { stage: (stage) => ({ write: async (...parts) => ({ ...(await stage.write(...parts)), sha256: '0'.repeat(64) }) }) },
  },
  'fills more than the room it is given': {
    caughtBy: 'a file that can be read into memory of the drainer fills the room it is given, and no more',
    breakIt: {
      contents: withFiles((file) => ({
        async *readInto(room) {
          await room()
          yield file.size
        },
      })),
    },
  },
  'swallows the failure of a content': {
    caughtBy: 'nothing is left of a file whose content throws, and its name is free again',
    breakIt: {
      stage: (stage) => ({
        write: (file, content, options) => stage.write(file, withoutFailure(content), options),
      }),
    },
  },
  'ignores the signal': {
    caughtBy: 'a signal that is aborted beforehand has no effect',
    breakIt: { stage: (stage) => ({ write: (file, content) => stage.write(file, content) }) },
  },
  'lets names out': {
    caughtBy: 'a name that could leave the item is refused',
    breakIt: {
      stage: (stage) => ({
        write: (file, content, options) => stage.write({ ...file, name: file.name.replaceAll(/[^a-z0-9]/g, '') || 'x' }, content, options),
      }),
    },
  },
  'promises a larger file than it takes': {
    caughtBy: 'a file larger than largestFile is OUT_OF_SPACE',
    breakIt: { stage: (stage) => ({ largestFile: stage.largestFile + 1 }) },
  },
  'does not hear that draining stopped': {
    caughtBy: 'after stopDraining a writer that has to wait fails with the cause, one that has room goes on',
    breakIt: { run: () => ({ stopDraining: () => undefined }) },
  },
  'does not hear that filling stopped': {
    caughtBy: 'after stopFilling the drain throws the cause, and nothing can be sealed',
    breakIt: { run: () => ({ stopFilling: () => undefined }) },
  },
  'loses notes': {
    caughtBy: 'a crash after the seal loses nothing: not what is left to send, and not what is sent already',
    breakIt: { contents: () => ({ note: async () => undefined }) },
  },
  'forgets what is sent already': {
    caughtBy: 'a crash after the seal loses nothing: not what is left to send, and not what is sent already',
    breakIt: { contents: withFiles(() => ({ release: async () => undefined })) },
  },
  'never offers what it keeps': {
    caughtBy: 'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
    breakIt: { staging: () => ({ async *resumable() {} }) },
  },
  'keeps nothing that is let go': {
    caughtBy: 'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
    breakIt: { run: (both) => ({ [Symbol.asyncDispose]: () => both.remove() }) },
  },
  'seals a stage with an open item': {
    caughtBy: 'a stage with an item that is neither sealed nor failed cannot be sealed',
    breakIt: { stage: () => ({ seal: async () => undefined }) },
  },
  'holds more than its budget': {
    caughtBy: 'several writers at once get through with a drainer that lets go only when pressed, and the budget holds',
    breakIt: { contents: (contents) => ({ budget: contents.budget / 2 }) },
  },
  'never says that a writer waits': {
    caughtBy: 'several writers at once get through with a drainer that lets go only when pressed, and the budget holds',
    breakIt: { contents: without('pressure') },
  },
  'forgets to say that items are complete': {
    caughtBy: 'everything comes in order, and the drain ends after sealed',
    breakIt: { contents: without('item') },
  },
  'keeps the name of a write that was aborted': {
    caughtBy: 'an abort ends a write whose content hangs',
    breakIt: {
      stage: (stage) => {
        const taken = new Set<string>()
        return {
          async write(file, content, options) {
            if (taken.has(file.name)) throw new BackupError(`${file.name} is there`, { code: 'ALREADY_EXISTS' })
            taken.add(file.name)
            return await stage.write(file, content, options)
          },
        }
      },
    },
  },
  'takes a name as often as it is given': {
    caughtBy: 'a name is taken only once',
    breakIt: {
      stage: (stage) => {
        let times = 0
        return { write: (file, content, options) => stage.write({ ...file, name: `${file.name}-${++times}` }, content, options) }
      },
    },
  },
  'adopts links': {
    caughtBy: 'a file that the application wrote is adopted',
    breakIt: {
      stage: (stage) => ({
        async adopt(file, options) {
          if (file.name === 'link') return { ...file, size: 7, sha256: '' }
          return await stage.adopt(file, options)
        },
      }),
    },
  },
  'reads what is there, changed or not': {
    caughtBy: 'a staged file that was changed',
    breakIt: { contents: withFiles((file) => ({ open: (range) => withoutFailure(file.open(range)) })) },
  },
  'lets two runs of a job work at once': {
    caughtBy: 'a second run of the job is a CONFLICT',
    breakIt: { staging: (staging) => ({ begin: (run, options) => staging.begin({ ...run, job: `${run.job} ${run.id}` }, options) }) },
  },
  'offers the newest first': {
    caughtBy: 'sealed stages come oldest first',
    breakIt: {
      staging: (staging) => ({
        async *resumable(job, options) {
          const all: RunStage[] = []
          for await (const both of staging.resumable(job, options)) all.unshift(both)
          yield* all
        },
      }),
    },
  },
  'offers what is half-filled': {
    caughtBy: 'a crash before the seal leaves nothing to resume',
    breakIt: {
      staging: (staging) => ({
        async *resumable(job) {
          yield await staging.begin({ job, id: 'half', beganAt: '2026-01-01T00:00:00.000Z' })
        },
      }),
    },
  },
  'does not say what it removed': {
    caughtBy: 'a run that crashed half-filled is named by the next one of its job',
    breakIt: { run: () => ({ abandonedRuns: [] }) },
  },
  'names a run that can still be sent among those it removed': {
    caughtBy: 'a run that crashed half-filled is named by the next one of its job',
    breakIt: { run: ({ abandonedRuns }) => ({ abandonedRuns: [...abandonedRuns, '1'] }) },
  },
  'gives files of a failed item': {
    caughtBy: 'files of a failed item are not given',
    breakIt: {
      contents: (contents) => ({
        async *drain(options) {
          for await (const event of contents.drain(options)) {
            if (event.type === 'item-failed') yield { type: 'file', file: emptyFile(event.item) }
            yield event
          }
        },
      }),
    },
  },
  'gives what it took of an item before that failed': {
    caughtBy: 'what a failed item holds that nobody was given',
    breakIt: { run: (both) => readingBeforeItemsFail(both) },
  },
  'keeps the room of a failed item': {
    caughtBy: 'what a failed item holds that nobody was given',
    breakIt: { run: (both) => readingBeforeItemsFail(both, { isLost: true }) },
  },
  'gives a second drainer nothing, as if the stage were empty': {
    caughtBy: 'a second drainer at the same time is refused',
    breakIt: {
      contents: (contents) => ({
        async *drain(options) {
          try {
            yield* contents.drain(options)
          } catch (error) {
            if (!(error instanceof TypeError)) throw error
          }
        },
      }),
    },
  },
  'gives what is left of a capture that failed': {
    caughtBy: 'after stopFilling the drain gives nothing of what was staged before',
    breakIt: {
      run(both) {
        const { takeOne, contents } = readingAhead(both.contents)
        return {
          contents,
          stopFilling(cause) {
            takeOne()
            both.stopFilling(cause)
          },
        }
      },
    },
  },
  'lets two follow one job': {
    caughtBy: 'a job is followed by one at a time',
    breakIt: { staging: () => ({ follow: async () => ({ [Symbol.asyncDispose]: async () => undefined }) }) },
  },
  'presses for a writer that was aborted': {
    caughtBy: 'nobody is pressed for a writer that waits no more',
    breakIt: {
      run({ stage, contents }) {
        let isStale = false
        return {
          stage: differing(stage, {
            async write(...parts) {
              try {
                return await stage.write(...parts)
              } catch (error) {
                isStale ||= BackupError.is(error) && error.code === 'ABORTED'
                throw error
              }
            },
          }),
          contents: differing(contents, {
            async *drain(options) {
              if (isStale) yield { type: 'pressure' }
              yield* contents.drain(options)
            },
          }),
        }
      },
    },
  },
}

describeCatches('staging', stagingChecks, broken, (lies) => memoryStagingHarness(lying(lies)))
