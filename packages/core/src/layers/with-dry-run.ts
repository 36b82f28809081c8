import type { RemoteObject, Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { checkedContent } from '../uploaders/checked-content.ts'
import { uploaderLayer } from './uploader-layer.ts'

export type PretendedWrite =
  | { readonly operation: 'upload'; readonly key: string; readonly bytes: number }
  | { readonly operation: 'remove'; readonly key: string }

export interface DryRunUploader extends Uploader {
  /** Totals of what would have been written. */
  readonly pretended: { readonly uploads: number; readonly bytes: number; readonly removals: number }
}

/**
 * Writes nothing. Later reads through the same layer see the store as it would be:
 *
 * - `upload` reads its content to the end and checks it as a real one would, then keeps only key, size, time and hash.
 * - `stat` and `list` show a pretended object, and not the one it would have replaced.
 * - `download` of a pretended object fails with `UNSUPPORTED`: its bytes were not kept.
 * - A pretended removal hides the object from `stat` and `list`; `download` fails with `NOT_FOUND`.
 * - `check` and `removeAll` are left out: they would write.
 * - Everything else passes to the real uploader. Others, and a second layer on the same uploader, see nothing of it.
 */
export function withDryRun(uploader: Uploader, onPretend?: (write: PretendedWrite) => void): DryRunUploader {
  const written = new Map<string, RemoteObject>()
  const removed = new Set<string>()
  let uploads = 0
  let bytes = 0
  let removals = 0

  const {
    check: _writes,
    removeAll: _removes,
    ...layer
  } = uploaderLayer(uploader, {
    async upload(key, content, options) {
      const what = `dry run of the upload of ${key}`
      throwIfAborted(options?.signal, what)
      assertSafePath(key, 'key')
      const checked = checkedContent(content, what, options)
      for await (const _ of checked);
      throwIfAborted(options?.signal, what)
      const object = { key, ...checked.facts(), modifiedAt: new Date().toISOString() }
      written.set(key, object)
      removed.delete(key)
      uploads++
      bytes += object.size
      onPretend?.({ operation: 'upload', key, bytes: object.size })
      return object
    },

    async *download(key, range, options) {
      throwIfAborted(options?.signal, `download of ${key}`)
      if (written.has(key)) {
        throw new BackupError(`object ${key} was only pretended to be written, its bytes were not kept`, {
          code: 'UNSUPPORTED',
          hint: 'Run without dry run to be able to read back what was written.',
        })
      }
      if (removed.has(key)) {
        throw new BackupError(`object ${key} was pretended to be removed`, {
          code: 'NOT_FOUND',
          hint: 'This is a dry run: the object still exists and can be read without it.',
        })
      }
      yield* uploader.download(key, range, options)
    },

    async stat(key, options) {
      throwIfAborted(options?.signal, `stat of ${key}`)
      return written.get(key) ?? (removed.has(key) ? undefined : await uploader.stat(key, options))
    },

    async *list(prefix, options) {
      const pretended = [...written.values()].filter((object) => object.key.startsWith(prefix))
      const hidden = new Set([...removed, ...pretended.map((object) => object.key)])
      for await (const object of uploader.list(prefix, options)) if (!hidden.has(object.key)) yield object
      for (const object of pretended) {
        throwIfAborted(options?.signal, `list of ${prefix}`)
        yield object
      }
    },

    async remove(key, options) {
      throwIfAborted(options?.signal, `removal of ${key}`)
      assertSafePath(key, 'key')
      written.delete(key)
      removed.add(key)
      removals++
      onPretend?.({ operation: 'remove', key })
    },
  })
  return Object.defineProperty(layer, 'pretended', { enumerable: true, get: () => ({ uploads, bytes, removals }) }) as DryRunUploader
}
