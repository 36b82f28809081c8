import type { FailureCode, RemoteObject, Uploader } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { passedOn } from './passed-on.ts'
import { uploaderLayer } from './uploader-layer.ts'

export interface UploaderLogEntry {
  /** `debug`: a read. `info`: a write. `warning`: a write or read that was aborted. `error`: one that failed. */
  readonly level: 'debug' | 'info' | 'warning' | 'error'
  readonly operation: 'upload' | 'download' | 'stat' | 'list' | 'remove'
  /** The prefix, for a list; the first of several that are removed at once. */
  readonly key: string
  /** What was transferred, also when it failed half-way. */
  readonly bytes?: number
  /** How many a list gave, or were removed at once. */
  readonly objects?: number
  readonly milliseconds: number
  /**
   * The message is left out where a client library wrote it: such messages have been seen to hold URLs with credentials.
   */
  readonly error?: { readonly code: FailureCode; readonly message?: string }
}

/**
 * Says every operation once, when it has ended. What the log throws is ignored: writing a log line never costs a backup.
 * Contents, and messages that are not our own, are never logged.
 */
export function withLogging(uploader: Uploader, log: (entry: UploaderLogEntry) => void): Uploader {
  function begin(operation: UploaderLogEntry['operation'], key: string, level: 'debug' | 'info') {
    const begunAt = performance.now()
    return (amounts: { readonly bytes?: number; readonly objects?: number }, failure?: { readonly error: unknown }): void => {
      const entry = { operation, key, ...amounts, milliseconds: Math.round(performance.now() - begunAt) }
      try {
        if (failure === undefined) log({ level, ...entry })
        else log({ level: isAbort(failure.error) ? 'warning' : 'error', ...entry, error: describe(uploader, failure.error) })
      } catch {
        // The promise above.
      }
    }
  }

  async function logged<Result>(
    end: ReturnType<typeof begin>,
    run: () => Promise<Result>,
    amounts: (result: Result | undefined) => { bytes?: number; objects?: number },
  ): Promise<Result> {
    let result: Result
    try {
      result = await run()
    } catch (error) {
      end(amounts(undefined), { error })
      throw error
    }
    end(amounts(result))
    return result
  }

  const removeAll = uploader.removeAll?.bind(uploader)
  return uploaderLayer(uploader, {
    upload(key, content, options) {
      let bytes = 0
      async function* counted(): AsyncGenerator<Uint8Array, void> {
        for await (const chunk of content.open()) {
          bytes += chunk.byteLength
          yield chunk
        }
      }
      return logged(
        begin('upload', key, 'info'),
        () => uploader.upload(key, passedOn(content, counted), options),
        (object: RemoteObject | undefined) => ({ bytes: object?.size ?? bytes }),
      )
    },
    stat: (key, options) =>
      logged(
        begin('stat', key, 'debug'),
        () => uploader.stat(key, options),
        () => ({}),
      ),
    remove: (key, options) =>
      logged(
        begin('remove', key, 'info'),
        () => uploader.remove(key, options),
        () => ({}),
      ),
    ...(removeAll === undefined
      ? {}
      : {
          removeAll: (keys, options) =>
            logged(
              begin('remove', keys[0] ?? '', 'info'),
              () => removeAll(keys, options),
              () => ({ objects: keys.length }),
            ),
        }),
    async *download(key, range, options) {
      const end = begin('download', key, 'debug')
      let bytes = 0
      let failure: { error: unknown } | undefined
      try {
        for await (const chunk of uploader.download(key, range, options)) {
          bytes += chunk.byteLength
          yield chunk
        }
      } catch (error) {
        failure = { error }
        throw error
      } finally {
        end({ bytes }, failure)
      }
    },
    async *list(prefix, options) {
      const end = begin('list', prefix, 'debug')
      let objects = 0
      let failure: { error: unknown } | undefined
      try {
        for await (const object of uploader.list(prefix, options)) {
          objects++
          yield object
        }
      } catch (error) {
        failure = { error }
        throw error
      } finally {
        end({ objects }, failure)
      }
    },
  })
}

function isAbort(error: unknown): boolean {
  return BackupError.is(error) && error.code === 'ABORTED'
}

function describe(uploader: Uploader, error: unknown): { code: FailureCode; message?: string } {
  return BackupError.is(error) ? { code: error.code, message: error.message } : { code: uploader.classify(error) }
}
