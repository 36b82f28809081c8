import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { createMd5Thread, type Md5Thread } from '../digests/md5-thread.ts'
import { printS3Destination } from '../s3-destination.ts'
import type { S3Place } from '../s3-errors.ts'
import type { ResolvedS3Settings } from '../s3-settings.ts'
import { createS3Client } from './s3-client.ts'

/** A command of the SDK, by what is needed of it; its own type names six others to say what it answers. */
interface S3Command<Output> {
  readonly middlewareStack: { add(middleware: never, options: never): void }
  resolveMiddleware(stack: never, configuration: never, options: never): (step: never) => Promise<{ readonly output: Output }>
}

export interface Answer<Output> {
  readonly output: Output
  /** When the store answered, by its own clock; ours where it does not say. */
  readonly at: Date
}

/** A bucket with a prefix in it, and the requests to it. */
export interface S3Store {
  readonly settings: ResolvedS3Settings
  readonly place: S3Place
  /** Of the object behind a key of the uploader. */
  objectKey(key: string): string
  /** The other way round; `undefined` for what is not below the prefix. */
  keyOf(objectKey: string): string | undefined
  /** Of what is sent. */
  readonly md5: Md5Thread
  /** Sends once. Errors are those of the SDK. */
  send<Output>(command: S3Command<Output>, signal?: AbortSignal): Promise<Answer<Output>>
  close(): void
}

interface HttpRequestLike {
  readonly headers: Record<string, string>
  readonly body?: unknown
}

interface BuildStep {
  readonly request: HttpRequestLike
}

interface AnsweredStep {
  readonly response: { readonly headers: Readonly<Record<string, string | undefined>> }
}

export function createS3Store(settings: ResolvedS3Settings): S3Store {
  const { bucket, prefix, endpoint, region, profileName } = settings
  let client: S3Client | undefined
  const md5 = createMd5Thread()
  const before = prefix === '' ? '' : `${prefix}/`
  return {
    settings,
    md5,
    place: {
      bucket,
      destination: printS3Destination({ bucket, prefix, endpoint, region: profileName === 'aws' ? region : undefined }),
    },
    objectKey: (key) => before + key,
    keyOf: (objectKey) => (objectKey.startsWith(before) ? objectKey.slice(before.length) : undefined),
    async send<Output>(command: S3Command<Output>, signal?: AbortSignal) {
      client ??= createS3Client(settings)
      let at: Date | undefined
      const stack = command.middlewareStack as unknown as { add(middleware: unknown, options: object): void }
      stack.add(
        (next: (step: BuildStep) => Promise<unknown>) => (step: BuildStep) => {
          ownIntegrity(step.request)
          return next(step)
        },
        { step: 'build', name: 'ownIntegrity', priority: 'low', override: true },
      )
      stack.add(
        (next: (step: unknown) => Promise<AnsweredStep>) => async (step: unknown) => {
          const result = await next(step)
          const time = Date.parse(result.response.headers.date ?? '')
          if (!Number.isNaN(time)) at = new Date(time)
          return result
        },
        { step: 'deserialize', name: 'clockOfStore', priority: 'low', override: true },
      )
      const output = await client.send(command as never, signal === undefined ? {} : { abortSignal: signal })
      return { output: output as Output, at: at ?? new Date() }
    },
    close() {
      client?.destroy()
      md5.end()
      client = undefined
    },
  }
}

/**
 * Bodies of objects are not hashed once more for the signature ("UNSIGNED-PAYLOAD", Amazon S3 API Reference, Signature Calculations):
 * their checksum is a header that is signed. Requests in XML that must have a checksum get the one that every store knows.
 */
function ownIntegrity({ headers, body }: HttpRequestLike): void {
  if (body instanceof Uint8Array && body.byteLength > 0) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
  if (typeof body !== 'string' || headers['x-amz-sdk-checksum-algorithm'] === undefined) return
  for (const name of Object.keys(headers)) if (/^x-amz-(sdk-checksum-algorithm|checksum-\w+)$/i.test(name)) delete headers[name]
  headers['content-md5'] = createHash('md5').update(body).digest('base64')
}
