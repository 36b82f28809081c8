import { DatabaseSync } from 'node:sqlite'
import {
  assertSafePath,
  BackupError,
  checkedContent,
  clampRange,
  type RemoteObject,
  throwIfAborted,
  type Uploader,
} from '@backup-planet/core'

const facts = 'key, sha256, modified_at AS modifiedAt, length(bytes) AS size'

/** Keeps small objects in one SQLite file. A row is all or nothing by itself: that is all an uploader must promise. */
export function createSqliteUploader(settings: { readonly file: string }): Uploader {
  const database = new DatabaseSync(settings.file, { timeout: 5000 })
  database.exec('CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, sha256 TEXT, modified_at TEXT, bytes BLOB) STRICT')
  const get = (columns: string, key: string) => database.prepare(`SELECT ${columns} FROM objects WHERE key = ?`).get(key)
  function begin(what: string, key: string, signal: AbortSignal | undefined): string {
    throwIfAborted(signal, what)
    return assertSafePath(key, 'key')
  }
  return {
    contract: 'uploader/1',
    destination: `sqlite:${settings.file}`,
    supports: { atomicReplace: true, concurrency: 1, rangeRead: true, resume: false },
    async upload(key, content, { signal } = {}) {
      begin('upload', key, signal)
      const checked = checkedContent(content, `upload of ${key}`, { signal })
      const chunks: Uint8Array[] = []
      for await (const chunk of checked) chunks.push(Uint8Array.from(chunk))
      const object = { key, ...checked.facts(), modifiedAt: new Date().toISOString() }
      database.prepare('REPLACE INTO objects VALUES (?, ?, ?, ?)').run(key, object.sha256, object.modifiedAt, Buffer.concat(chunks))
      return object
    },
    async *download(key, range, { signal } = {}) {
      const bytes = get('bytes', begin('download', key, signal))?.bytes
      if (!(bytes instanceof Uint8Array))
        throw new BackupError(`object ${key} does not exist`, { code: 'NOT_FOUND', hint: 'Check the key.' })
      const { begin: first, end } = clampRange(range, bytes.byteLength)
      if (end > first) yield bytes.subarray(first, end)
      throwIfAborted(signal, 'download')
    },
    async stat(key, { signal } = {}) {
      return get(facts, begin('stat', key, signal)) as RemoteObject | undefined
    },
    async *list(prefix, { signal } = {}) {
      throwIfAborted(signal, 'list')
      for (const row of database.prepare(`SELECT ${facts} FROM objects WHERE substr(key, 1, length(?1)) = ?1`).all(prefix)) {
        yield row as unknown as RemoteObject
        throwIfAborted(signal, 'list')
      }
    },
    async remove(key, { signal } = {}) {
      database.prepare('DELETE FROM objects WHERE key = ?').run(begin('removal', key, signal))
    },
    classify: (error) => (BackupError.is(error) ? error.code : String(error).includes('disk is full') ? 'OUT_OF_SPACE' : 'UNKNOWN'),
    [Symbol.asyncDispose]: async () => (database.isOpen ? database.close() : undefined),
  }
}
