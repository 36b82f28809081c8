import type { Backup, Repository, StreamedFile } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { chunksOf } from '../testing/chunks-of.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { describeCatches, type Fault } from './__fixtures__/describe-catches.ts'
import { repositoryChecks } from './repository-checks.ts'
import { withDrain } from './repository-harness.ts'

/** Each breaks one promise, as repositories have been seen to break it. */
const broken: Readonly<Record<string, Fault<(sound: MemoryRepository) => Partial<Repository>>>> = {
  'writes its record first': {
    caughtBy: 'lists nothing when the capture fails',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        sound.place.records.set(request.run.id, record(request.run.id))
        const backup = await sound.store({ ...request, run: { ...request.run, id: `${request.run.id}-content` } }, contents, options)
        return backup
      },
    }),
  },
  'goes on removing behind what the store retains': {
    caughtBy: 'stops removing at the first backup that the store retains',
    breakIt: (sound) => ({
      async remove(backups, options) {
        const reports = []
        for (const backup of backups) reports.push(await sound.remove([backup], options))
        return {
          removed: reports.flatMap(({ removed }) => removed),
          bytes: reports.reduce((sum, { bytes }) => sum + bytes, 0),
          retained: reports.flatMap(({ retained }) => retained),
        }
      },
    }),
  },
  'offers what was staged of a failed item': {
    caughtBy: 'never offers a failed item',
    breakIt: (sound) => ({
      store: (request, contents, options) =>
        sound.store(
          request,
          withDrain(contents, async function* (drainOptions) {
            for await (const event of contents.drain(drainOptions))
              yield event.type === 'item-failed' ? { type: 'item', item: { item: event.item, facts: {} } } : event
          }),
          options,
        ),
    }),
  },
  'keeps what it has of a stream that broke off': {
    caughtBy: 'forgets one whose content breaks off',
    breakIt: (sound) => ({
      store: (request, contents, options) =>
        sound.store(
          request,
          withDrain(contents, async function* (drainOptions) {
            for await (const event of contents.drain(drainOptions)) {
              if (event.type !== 'stream') yield event
              else {
                const { file } = event
                const read = async function* () {
                  try {
                    yield* file.read()
                  } catch {}
                }
                yield { type: 'stream', file: { ...streamOf(file), read } }
              }
            }
          }),
          options,
        ),
    }),
  },
  'does not check what it stores': {
    caughtBy: 'refuses a staged file that is not what it was',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        try {
          return await sound.store(request, contents, options)
        } catch (error) {
          if (!BackupError.is(error) || error.code !== 'CORRUPTED') throw error
          sound.place.records.set(request.run.id, record(request.run.id))
          return record(request.run.id)
        }
      },
    }),
  },
  'frees nothing before the end': {
    caughtBy: 'when a writer waits for room',
    breakIt: (sound) => ({
      store(request, contents, options) {
        const releases: (() => Promise<void>)[] = []
        const held = withDrain(contents, async function* (drainOptions) {
          for await (const event of contents.drain(drainOptions)) {
            if (event.type === 'sealed') for (const release of releases) await release()
            if (event.type !== 'file') yield event
            else yield { ...event, file: { ...event.file, release: async () => void releases.push(() => event.file.release()) } }
          }
        })
        return sound.store(request, held, options)
      },
    }),
  },
  'frees staged files and forgets them when it is cut': {
    caughtBy: 'goes on with a stage that was cut',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        sound.place.unfinished.clear()
        return await sound.store(request, contents, options)
      },
    }),
  },
  'commits a run again with what is left of its stage': {
    caughtBy: 'already committed',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        sound.place.records.delete(request.run.id)
        return await sound.store(request, contents, options)
      },
    }),
  },
  'ignores the signal of a store': {
    caughtBy: 'does nothing when it is aborted beforehand',
    breakIt: (sound) => ({ store: (request, contents) => sound.store(request, contents) }),
  },
  'lists newest first': {
    caughtBy: 'lists oldest first',
    breakIt: (sound) => ({
      async *list(filter, options) {
        const backups: Backup[] = []
        for await (const backup of sound.list(filter, options)) backups.unshift(backup)
        yield* backups
      },
    }),
  },
  'takes a job filter as a prefix': {
    caughtBy: 'lists oldest first',
    breakIt: (sound) => ({
      async *list(filter, options) {
        for await (const backup of sound.list({}, options)) if (backup.job.startsWith(filter?.job ?? '')) yield backup
      },
    }),
  },
  'lists what began before the moment that was asked for': {
    caughtBy: 'lists oldest first',
    breakIt: (sound) => ({
      list: ({ beganSince: _, ...filter } = {}, options) => sound.list(filter, options),
    }),
  },
  'loses the facts of items': {
    caughtBy: 'with all its facts',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        const backup = await sound.store(request, contents, options)
        return { ...backup, items: backup.items.map((item) => ({ ...item, facts: {} })) }
      },
    }),
  },
  'gives damaged bytes as good ones': {
    caughtBy: 'never gives damaged bytes',
    breakIt: (sound) => ({
      async *open(backup, file) {
        const found = sound.place.files.get(backup.id)?.find((candidate) => candidate.item === file.item && candidate.name === file.name)
        if (found !== undefined) yield* chunksOf(found.bytes, [1000])
      },
    }),
  },
  'verifies the structure and calls it the data': {
    caughtBy: 'finds damage',
    breakIt: (sound) => ({ verify: (request, options) => sound.verify({ ...request, readData: false }, options) }),
  },
  'gives an empty file for a missing one': {
    caughtBy: 'a missing file, item or backup is missing',
    breakIt: (sound) => ({
      async *open(backup, file, range, options) {
        try {
          yield* sound.open(backup, file, range, options)
        } catch (error) {
          if (!BackupError.is(error) || error.code !== 'NOT_FOUND') throw error
        }
      },
    }),
  },
  'removes what others share': {
    caughtBy: 'removes a backup and nothing of the others',
    breakIt: (sound) => ({
      async remove(backups, options) {
        for (const id of sound.place.files.keys()) sound.place.files.set(id, [])
        return await sound.remove(backups, options)
      },
    }),
  },
  'fails at removing what is removed': {
    caughtBy: 'removes a backup and nothing of the others',
    breakIt: (sound) => ({
      async remove(backups, options) {
        const report = await sound.remove(backups, options)
        if (report.removed.length === 0) throw new BackupError('no such backup', { code: 'NOT_FOUND' })
        return report
      },
    }),
  },
  'takes a young unfinished run for an abandoned one': {
    caughtBy: 'removes what never committed',
    breakIt: (sound) => ({
      removeUnfinished: (request, options) => sound.removeUnfinished({ ...request, olderThanSeconds: 0 }, options),
    }),
  },
  'forgets what of the clock a log covers': {
    caughtBy: 'keeps where a log begins and ends',
    breakIt: (sound) => ({
      store: (request, contents, options) =>
        sound.store(
          request,
          withDrain(contents, async function* (drainOptions) {
            for await (const event of contents.drain(drainOptions)) {
              if (event.type !== 'sealed') yield event
              else {
                const { covers: _, ...facts } = event.facts
                yield { type: 'sealed', facts }
              }
            }
          }),
          options,
        ),
    }),
  },
  'forgets that a run was limited': {
    caughtBy: 'was limited to some items',
    breakIt: (sound) => ({
      store({ run: { limitedTo: _, ...run }, agent }, contents, options) {
        return sound.store({ run, agent }, contents, options)
      },
    }),
  },
  'keeps what it has stored': {
    caughtBy: 'frees every staged file',
    breakIt: (sound) => ({
      store: (request, contents, options) =>
        sound.store(
          request,
          withDrain(contents, async function* (drainOptions) {
            for await (const event of contents.drain(drainOptions))
              yield event.type === 'file' ? { ...event, file: { ...event.file, release: async () => undefined } } : event
          }),
          options,
        ),
    }),
  },
  'commits what it has when it is aborted': { caughtBy: 'while the capture is stalled', breakIt: commitsWhenAborted },
  'commits half a stage when it is aborted at the end': { caughtBy: 'at the last moment', breakIt: commitsWhenAborted },
  'writes one index for all, so that the last writer wins': {
    caughtBy: 'two stores work on one place',
    breakIt: (sound) => ({
      async store(request, contents, options) {
        const backup = await sound.store(request, contents, options)
        for (const id of [...sound.place.records.keys()]) if (id !== backup.id) sound.place.records.delete(id)
        return backup
      },
    }),
  },
  'has a password in its destination': {
    caughtBy: 'printable destination',
    breakIt: () => ({ destination: 's3://key:secret@bucket/' }),
  },
  'treats the end of a range as inclusive': {
    caughtBy: 'ranges',
    breakIt: (sound) => ({
      open: (backup, file, range, options) =>
        sound.open(backup, file, range?.end === undefined ? range : { begin: range.begin, end: range.end + 1 }, options),
    }),
  },
  'keeps a guide of its own only': { caughtBy: 'restore guide', breakIt: () => ({ readGuide: async () => '# See the manual' }) },
  'reads what was not selected': {
    caughtBy: 'reads the selected files only',
    breakIt: (sound) => ({ read: (backup, _, options) => sound.read(backup, () => true, options) }),
  },
  'cannot be disposed twice': {
    caughtBy: 'disposed twice',
    breakIt: () => {
      let disposed = false
      return {
        async [Symbol.asyncDispose]() {
          if (disposed) throw new TypeError('already closed')
          disposed = true
        },
      }
    },
  },
  'reads files in any order': {
    caughtBy: 'with all its facts',
    breakIt: (sound) => ({
      async *read(backup, select, options) {
        const files = []
        for await (const file of sound.read(backup, select, options)) files.unshift(file)
        yield* files
      },
    }),
  },
}

function commitsWhenAborted(sound: MemoryRepository): Partial<Repository> {
  return {
    async store(request, contents, options) {
      try {
        return await sound.store(request, contents, options)
      } catch (error) {
        sound.place.records.set(request.run.id, record(request.run.id))
        throw error
      }
    },
  }
}

function streamOf(file: StreamedFile): StreamedFile {
  return {
    item: file.item,
    name: file.name,
    read: () => file.read(),
    accept: (facts) => file.accept(facts),
    refuse: (cause) => file.refuse(cause),
    failed: false,
  }
}

function record(id: string): Backup {
  const time = '2026-01-01T00:00:00.000Z'
  return {
    format: 'backup-planet/manifest/1',
    id,
    job: 'job',
    application: 'memory',
    agent: { version: '1' },
    source: { id: 's', name: 's', version: '1' },
    kind: 'full',
    status: 'complete',
    beganAt: time,
    consistentAt: time,
    endedAt: time,
    items: [],
    facts: {},
    storage: {},
  }
}

describeCatches('repository', repositoryChecks, broken, (breakIt) => {
  const sound = createMemoryRepository()
  const repository: Repository = { ...sound, ...breakIt(sound) }
  return {
    repository,
    another: () => repository,
    corruptSomething: async () => sound.corruptSomething(),
    refuseRemoval: ({ id }) => void sound.place.retained.set(id, 'it is locked'),
  }
})
