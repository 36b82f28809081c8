import { type ByteRange, checkKeyPrefix, type Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { uploaderLayer } from '../layers/uploader-layer.ts'
import { bytesOf, reopenable } from '../testing/chunks-of.ts'
import { createMemoryUploader, type MemoryUploader } from '../testing/memory-uploader.ts'
import { checkedContent } from '../uploaders/checked-content.ts'
import { describeCatches, type Fault } from './__fixtures__/describe-catches.ts'
import { uploaderChecks } from './uploader-checks.ts'

type Methods = Parameters<typeof uploaderLayer>[1]

/** Each breaks one promise, as plugins have been seen to break it. */
const broken: Readonly<Record<string, Fault<(sound: MemoryUploader) => Methods | Uploader>>> = {
  'believes the announced length': {
    caughtBy: 'is longer than announced',
    breakIt: (sound) => ({
      upload: async (key, content, options) => {
        const object = await sound.upload(key, { open: content.open.bind(content) }, options)
        return { ...object, size: content.size ?? object.size }
      },
    }),
  },
  'does not check the hash': {
    caughtBy: 'another hash',
    breakIt: (sound) => ({
      upload: (key, content, options) => sound.upload(key, { size: content.size, open: () => content.open() }, options),
    }),
  },
  'keeps the memory that it was given': {
    caughtBy: 'holds nothing of what was uploaded',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        const chunks: Uint8Array[] = []
        const open = async function* () {
          for await (const chunk of content.open()) {
            chunks.push(chunk)
            yield chunk
          }
        }
        const object = await sound.upload(key, { size: content.size, sha256: content.sha256, open }, options)
        const [first] = chunks
        const stored = sound.objects.get(key)
        if (first !== undefined && stored !== undefined && chunks.every(({ buffer }) => buffer === first.buffer)) {
          sound.objects.set(key, { ...stored, bytes: new Uint8Array(first.buffer, first.byteOffset, object.size) })
        }
        return object
      },
    }),
  },
  'does not notice content that ends early': {
    caughtBy: 'ends early',
    breakIt: (sound) => ({
      upload: (key, content, options) =>
        sound.upload(key, { open: () => atMost(content.open(), content.size ?? Number.POSITIVE_INFINITY) }, options),
    }),
  },
  'leaves half an object when the content fails': {
    caughtBy: 'passes on the failure of the content',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        try {
          return await sound.upload(key, content, options)
        } catch (error) {
          if (BackupError.is(error) && error.code === 'APPLICATION') await sound.upload(key, reopenable(Buffer.from('half')))
          throw error
        }
      },
    }),
  },
  'removes the old object before the new one is there': {
    caughtBy: 'shows nothing of an upload',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        await sound.remove(key, options)
        return await sound.upload(key, content, options)
      },
    }),
  },
  'replaces in place and calls that not atomic': {
    caughtBy: 'shows nothing of an upload',
    breakIt: (sound) => ({
      ...uploaderLayer(sound, {
        async upload(key, content, options) {
          if (sound.objects.has(key)) await sound.upload(key, reopenable(Buffer.from('half')))
          return await sound.upload(key, content, options)
        },
      }),
      supports: { ...sound.supports, atomicReplace: false },
    }),
  },
  'ignores the signal of an upload': {
    caughtBy: 'aborted beforehand',
    breakIt: (sound) => ({ upload: (key, content) => sound.upload(key, content) }),
  },
  'ignores the signal of a download': {
    caughtBy: 'stops a download and a list half-way',
    breakIt: (sound) => ({ download: (key, range) => sound.download(key, range) }),
  },
  'ignores the signal of a removal': {
    caughtBy: 'aborted beforehand',
    breakIt: (sound) => ({ remove: (key) => sound.remove(key) }),
  },
  'sees an abort only when the content goes on': {
    caughtBy: 'stops an upload half-way',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        throwIfAborted(options?.signal, 'upload')
        const object = await sound.upload(key, content)
        throwIfAborted(options?.signal, 'upload')
        return object
      },
    }),
  },
  'treats the end of a range as inclusive': {
    caughtBy: 'ranges',
    breakIt: (sound) => ({
      download: (key, range, options) =>
        sound.download(key, range?.end === undefined ? range : { begin: range.begin, end: range.end + 1 }, options),
    }),
  },
  'ignores ranges': {
    caughtBy: 'ranges',
    breakIt: (sound) => ({ download: (key, _range, options) => sound.download(key, undefined, options) }),
  },
  'fails at ranges beyond the end': {
    caughtBy: 'ranges',
    breakIt: (sound) => ({
      async *download(key: string, range?: ByteRange, options?: object) {
        const size = (await sound.stat(key))?.size ?? 0
        if (range !== undefined && range.begin >= size) throw new BackupError('range not satisfiable', { code: 'INVALID_INPUT' })
        yield* sound.download(key, range, options)
      },
    }),
  },
  'gives an empty stream for a missing object': {
    caughtBy: 'missing object is missing',
    breakIt: (sound) => ({
      async *download(key, range, options) {
        if ((await sound.stat(key)) !== undefined) yield* sound.download(key, range, options)
      },
    }),
  },
  'fails at removing a missing object': {
    caughtBy: 'removes an object and nothing else',
    breakIt: (sound) => ({
      async remove(key, options) {
        if ((await sound.stat(key)) === undefined) throw new BackupError(`no ${key}`, { code: 'NOT_FOUND' })
        await sound.remove(key, options)
      },
    }),
  },
  'ignores the signal of a removal of several': {
    caughtBy: 'aborted beforehand',
    breakIt: (sound) => ({ removeAll: async (keys) => (await sound.removeAll?.(keys)) ?? [] }),
  },
  'leaves the last of several that are removed': {
    caughtBy: 'removes several objects at once',
    breakIt: (sound) => ({ removeAll: async (keys, options) => (await sound.removeAll?.(keys.slice(0, -2), options)) ?? [] }),
  },
  'fails at removing several of which one is missing': {
    caughtBy: 'removes several objects at once',
    breakIt: (sound) => ({
      async removeAll(keys, options) {
        const missing = keys.find((key) => !sound.objects.has(key))
        if (missing !== undefined) throw new BackupError(`no ${missing}`, { code: 'NOT_FOUND' })
        return (await sound.removeAll?.(keys, options)) ?? []
      },
    }),
  },
  'removes everything below the key': {
    caughtBy: 'removes an object and nothing else',
    breakIt: (sound) => ({
      async remove(key) {
        for (const found of [...sound.objects.keys()]) if (found.startsWith(key)) sound.objects.delete(found)
      },
    }),
  },
  'lists by folder instead of by text': {
    caughtBy: 'by prefix as plain text',
    breakIt: (sound) => ({
      async *list(prefix, options) {
        for await (const object of sound.list(prefix, options)) {
          if (prefix === '' || prefix.endsWith('/') || object.key === prefix || object.key.startsWith(`${prefix}/`)) yield object
        }
      },
    }),
  },
  'lists the first page only': {
    caughtBy: 'more objects than fit one page',
    breakIt: (sound) => ({
      async *list(prefix, options) {
        let count = 0
        for await (const object of sound.list(prefix, options)) if (count++ < 40) yield object
      },
    }),
  },
  'shows unfinished uploads': {
    caughtBy: 'while other objects come and go',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        if (!sound.objects.has(key)) await sound.upload(`${key}.part`, reopenable(Buffer.alloc(0)))
        try {
          return await sound.upload(key, content, options)
        } finally {
          sound.objects.delete(`${key}.part`)
        }
      },
    }),
  },
  'keeps parts of failed uploads': {
    caughtBy: 'ends early',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        try {
          return await sound.upload(key, content, options)
        } catch (error) {
          sound.objects.set(`${key}.part`, { bytes: Buffer.from('part'), modifiedAt: new Date().toISOString(), sha256: '' })
          throw error
        }
      },
    }),
  },
  'decodes percent signs in keys': {
    caughtBy: 'keeps keys apart',
    breakIt: (sound) => {
      const decoded = (key: string) =>
        key.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      return {
        upload: async (key, content, options) => ({ ...(await sound.upload(decoded(key), content, options)), key }),
        download: (key, range, options) => sound.download(decoded(key), range, options),
        stat: async (key, options) => {
          const object = await sound.stat(decoded(key), options)
          return object === undefined ? undefined : { ...object, key }
        },
      }
    },
  },
  'accepts keys with ..': {
    caughtBy: 'keys that are none',
    breakIt: (sound) => {
      const cleaned = (key: string) =>
        key
          .split('/')
          .filter((segment) => !['', '.', '..'].includes(segment))
          .join('/')
          .replaceAll('\0', '') || 'empty'
      return {
        upload: (key, content, options) => sound.upload(cleaned(key), content, options),
        stat: (key, options) => sound.stat(cleaned(key), options),
      }
    },
  },
  'drops empty objects': {
    caughtBy: 'stores an empty object',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        const object = await sound.upload(key, content, options)
        if (object.size === 0) sound.objects.delete(key)
        return object
      },
    }),
  },
  'gives one buffer for every chunk': {
    caughtBy: 'each chunk of a download for keeps',
    breakIt: (sound) => ({
      async *download(key, range, options) {
        const buffer = Buffer.alloc(1000)
        for await (const chunk of sound.download(key, range, options)) {
          buffer.set(chunk)
          yield buffer.subarray(0, chunk.byteLength)
        }
      },
    }),
  },
  'gives the memory that it keeps': {
    caughtBy: 'each chunk of a download for keeps',
    breakIt: (sound) => ({
      async *download(key, range, options) {
        const kept = sound.objects.get(key)?.bytes
        if (range === undefined && kept !== undefined && kept.byteLength > 0) yield kept
        else yield* sound.download(key, range, options)
      },
    }),
  },
  'reports a made-up hash': {
    caughtBy: 'with true facts',
    breakIt: (sound) => ({
      upload: async (key, content, options) => ({ ...(await sound.upload(key, content, options)), sha256: '0'.repeat(64) }),
    }),
  },
  'gives rivals one temporary name': {
    caughtBy: 'race for one key',
    breakIt: (sound) => {
      const parts = new Map<string, Buffer>()
      return {
        async upload(key, content, options) {
          const checked = checkedContent(content, key, options)
          let offset = 0
          for await (const chunk of checked) {
            const before = parts.get(key) ?? Buffer.alloc(0)
            const part = Buffer.alloc(Math.max(before.length, offset + chunk.byteLength))
            part.set(before)
            part.set(chunk, offset)
            parts.set(key, part)
            offset += chunk.byteLength
          }
          const part = parts.get(key) ?? Buffer.alloc(0)
          parts.delete(key)
          return await sound.upload(key, reopenable(part))
        },
      }
    },
  },
  'throws errors of its client library': {
    caughtBy: 'missing object is missing',
    breakIt: (sound) => ({
      async *download(key, range, options) {
        if ((await sound.stat(key)) === undefined) throw Object.assign(new Error('NoSuchKey'), { statusCode: 404 })
        yield* sound.download(key, range, options)
      },
    }),
  },
  'does not close the content': {
    caughtBy: 'closes the content',
    breakIt: (sound) => ({
      upload: (key, content, options) =>
        sound.upload(
          key,
          {
            size: content.size,
            sha256: content.sha256,
            open() {
              const iterator = content.open()[Symbol.asyncIterator]()
              return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) }
            },
          },
          options,
        ),
    }),
  },
  'folds the case of keys': {
    caughtBy: 'odd names',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        return await sound.upload(key.toLowerCase(), content, options)
      },
    }),
  },
  'has a password in its destination': {
    caughtBy: 'printable destination',
    breakIt: (sound) => ({ ...sound, destination: 'sftp://user:password@host/' }),
  },
  'cannot be disposed twice': {
    caughtBy: 'disposed twice',
    breakIt: (sound) => {
      let disposed = false
      return {
        ...sound,
        async [Symbol.asyncDispose]() {
          if (disposed) throw new TypeError('already closed')
          disposed = true
        },
      }
    },
  },
  'must know the size beforehand': {
    caughtBy: 'announces neither size nor hash',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        if (content.size === undefined) throw new BackupError(`size of ${key} is unknown`, { code: 'UNSUPPORTED' })
        return await sound.upload(key, content, options)
      },
    }),
  },
  'stores the first piece only': {
    caughtBy: 'object of many pieces',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        const object = await sound.upload(key, content, options)
        changeStored(sound, key, (bytes) => bytes.subarray(0, 1024 * 1024))
        return object
      },
    }),
  },
  'writes over the beginning of the old object': {
    caughtBy: 'replaces an object',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        const old = sound.objects.get(key)?.bytes ?? new Uint8Array(0)
        const object = await sound.upload(key, content, options)
        changeStored(sound, key, (bytes) => Buffer.concat([bytes, old.subarray(bytes.byteLength)]))
        return object
      },
    }),
  },
  'takes an announced length of 0 for none': {
    caughtBy: 'announced as empty and is not',
    breakIt: (sound) => ({
      upload: (key, content, options) =>
        sound.upload(key, { ...content, size: content.size || undefined, open: () => content.open() }, options),
    }),
  },
  'has nothing to check where there is no content': {
    caughtBy: 'is empty and announced as not',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        const { length } = await bytesOf(content.open())
        return await sound.upload(key, length === 0 ? reopenable(Buffer.alloc(0)) : content, options)
      },
    }),
  },
  'leaves half an object when it is aborted': {
    caughtBy: 'aborted at the last chunk',
    breakIt: (sound) => ({
      async upload(key, content, options) {
        try {
          return await sound.upload(key, content, options)
        } catch (error) {
          await sound.upload(key, reopenable(Buffer.from('half')))
          throw error
        }
      },
    }),
  },
  'removes an empty folder while somebody is about to write into it': {
    caughtBy: 'side by side',
    breakIt: (sound) => {
      const folders = new Set<string>()
      const folderOf = (key: string) => key.slice(0, key.lastIndexOf('/'))
      return {
        async upload(key, content, options) {
          folders.add(folderOf(key))
          // Some write longer than others.
          for (let turns = Number(key.at(-1)); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
          if (!folders.has(folderOf(key))) throw Object.assign(new Error('no such folder'), { code: 'ENOENT' })
          return await sound.upload(key, content, options)
        },
        async remove(key, options) {
          await sound.remove(key, options)
          if (![...sound.objects.keys()].some((other) => folderOf(other) === folderOf(key))) folders.delete(folderOf(key))
        },
      }
    },
  },
  'leaves in the store what its check has tried': {
    caughtBy: 'leaves everything as it was',
    breakIt: (sound) => ({
      async check() {
        await sound.upload(`${checkKeyPrefix}tried`, reopenable(Buffer.from('x')))
        return []
      },
    }),
  },
  'clears the store in its check': {
    caughtBy: 'leaves everything as it was',
    breakIt: (sound) => ({
      async check() {
        sound.objects.clear()
        return []
      },
    }),
  },
  'finds errors in a good store': {
    caughtBy: 'without finding an error',
    breakIt: () => ({
      check: async () => [{ severity: 'error', code: 'UNSUPPORTED', message: 'nothing works', hint: 'Use another store.' }],
    }),
  },
  'ignores the signal of its check': {
    caughtBy: 'does not check when',
    breakIt: () => ({ check: async () => [] }),
  },
  'throws in classify': {
    caughtBy: 'classifies any error',
    breakIt: (sound) => ({ ...sound, classify: (error: unknown) => (error as { code: 'UNKNOWN' }).code }),
  },
}

/** Changes the stored bytes behind the back of everybody who knows their true hash. */
function changeStored(sound: MemoryUploader, key: string, change: (bytes: Uint8Array) => Uint8Array): void {
  const object = sound.objects.get(key)
  if (object !== undefined) sound.objects.set(key, { ...object, bytes: change(object.bytes) })
}

async function* atMost(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let rest = size
  for await (const chunk of content) {
    yield chunk.subarray(0, rest)
    rest -= Math.min(rest, chunk.byteLength)
  }
}

describeCatches('uploader', uploaderChecks, broken, (breakIt) => {
  const sound = createMemoryUploader({ removesSeveral: true })
  const made = breakIt(sound)
  const uploader = 'contract' in made ? made : uploaderLayer(sound, made)
  return { uploader, another: () => uploader, everythingStored: async () => [...sound.objects.keys()] }
})
