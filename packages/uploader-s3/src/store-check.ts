import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectLockConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { BackupError, checkKeyPrefix, type Problem, throwIfAborted } from '@backup-planet/core'
import { patiently } from './client/patient-requests.ts'
import type { S3Store } from './client/s3-store.ts'
import { abortUpload, listParts, listUnfinishedUploads } from './multipart/unfinished-uploads.ts'
import { downloadObject } from './objects/object-download.ts'
import { listObjects } from './objects/object-listing.ts'
import { customerKey, keyParameters, newObjectParameters, withoutLock } from './objects/object-parameters.ts'
import { removeObject, removeObjects } from './objects/object-removal.ts'
import { headObject } from './objects/object-stat.ts'
import { checksumsOf, multipartChecksumParameters, plainEtag } from './objects/sent-checksums.ts'
import { classifyS3Error, s3Error, statusOf } from './s3-errors.ts'

interface Trial {
  readonly name: string
  /** What does not work without it; `warning` where the uploader does without. */
  readonly severity: Problem['severity']
  readonly otherwise: string
  run(): Promise<void>
}

/** What passes by itself, such as a gateway that was busy, is no finding. */
const attempts = 3

/**
 * Tries everything that the uploader asks of a store, on keys of random names that it removes at the end. What the first trial shows
 * to be wrong with the place or the credentials ends it: the others would only say the same.
 */
export async function checkStore(store: S3Store, signal: AbortSignal | undefined): Promise<readonly Problem[]> {
  const folder = `${checkKeyPrefix}${randomBytes(8).toString('hex')}`
  const problems: Problem[] = []
  let stored = true
  try {
    for (const trial of trialsOf(store, folder, signal)) {
      throwIfAborted(signal, 'check of a store')
      try {
        await patiently(() => trial.run(), { signal, attempts })
      } catch (error) {
        throwIfAborted(signal, 'check of a store')
        problems.push(problemOf(store, trial, error))
        if (trial.name !== 'put') continue
        stored = false
        break
      }
    }
  } finally {
    const left = await cleanUp(store, folder)
    if (stored) problems.push(...left)
  }
  return problems
}

function trialsOf(store: S3Store, folder: string, signal: AbortSignal | undefined): readonly Trial[] {
  const settings = withoutLock(store.settings)
  const bytes = randomBytes(4096)
  const small = `${folder}/small + object`
  const second = `${folder}/small, the second`
  const large = `${folder}/parts`

  async function putSmall(more: { readonly IfNoneMatch?: string } = {}, key = small): Promise<void> {
    await store.send(
      new PutObjectCommand({
        ...keyParameters(store, key),
        ...newObjectParameters(settings, { sha256: undefined, token: folder }),
        ...checksumsOf(bytes, await store.md5.md5Of(bytes), settings.profile.checksum).request,
        Body: bytes,
        ...more,
      }),
      signal,
    )
  }

  return [
    { name: 'put', severity: 'error', otherwise: 'nothing can be stored', run: () => putSmall() },
    {
      name: 'stat',
      severity: 'error',
      otherwise: 'what was stored cannot be verified',
      async run() {
        const found = await headObject(store, small, signal)
        if (found?.ContentLength !== bytes.byteLength) throw unexpected('an object that was stored is not there at once')
        if (found.Metadata?.['backup-planet-upload'] !== folder) throw unexpected('metadata of an object are not kept')
      },
    },
    {
      name: 'range read',
      severity: 'error',
      otherwise: 'backups cannot be read in pieces',
      async run() {
        const read: Uint8Array[] = []
        for await (const chunk of downloadObject(store, small, { begin: 100, end: 200 }, signal)) read.push(chunk)
        if (!Buffer.concat(read).equals(bytes.subarray(100, 200))) throw unexpected('a range gave other bytes than were stored')
      },
    },
    {
      name: 'list',
      severity: 'error',
      otherwise: 'backups cannot be found',
      async run() {
        await putSmall({}, second)
        for (const pageSize of [undefined, 1]) {
          const keys: string[] = []
          for await (const { key } of listObjects(store, `${folder}/`, signal, pageSize)) keys.push(key)
          const pages = pageSize === undefined ? '' : ' in pages of one'
          if (keys.join('\n') !== [small, second].join('\n'))
            throw unexpected(`a list${pages} gave ${keys.length} objects, which are not the two that are there`)
        }
      },
    },
    {
      name: 'multipart',
      severity: 'error',
      otherwise: 'objects above 32 MiB, and those of unknown size, cannot be stored',
      run: () => tryMultipart(store, large, bytes, signal),
    },
    {
      name: 'object lock',
      severity: 'error',
      otherwise: 'nothing can be stored with the lock that is set',
      run: () => tryLock(store, `${folder}/locked`, signal),
    },
    {
      name: 'list of unfinished uploads',
      severity: 'warning',
      otherwise: 'what a crash leaves is not removed by itself',
      async run() {
        for await (const _ of listUnfinishedUploads(store, `${folder}/`, signal));
      },
    },
    {
      name: 'conditional put',
      severity: 'warning',
      otherwise: 'another process that writes the same key is not noticed',
      async run() {
        if (!settings.profile.conditionalPut) return
        const refused = await putSmall({ IfNoneMatch: '*' }).then(
          () => false,
          (error: unknown) => {
            if (statusOf(error) === 412) return true
            throw error
          },
        )
        if (!refused) throw unexpected('If-None-Match was not heeded')
      },
    },
    {
      name: 'removal of many',
      severity: 'warning',
      otherwise: 'objects are removed one by one',
      async run() {
        const retained = await removeObjects(store, [small, second, large], signal)
        // A bucket may lock everything by default.
        const isLeft = retained.some(({ key }) => key === small)
        if (!isLeft && (await headObject(store, small, signal)) !== undefined) throw unexpected('an object that was removed is still there')
      },
    },
  ]
}

/**
 * Asks whether the bucket has locks, where these credentials may, since some stores do not look before there is an object; then begins an
 * upload with the lock and ends it before there is one.
 */
async function tryLock(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<void> {
  if (store.settings.objectLock === undefined) return
  await store.send(new GetObjectLockConfigurationCommand({ Bucket: store.settings.bucket }), signal).catch((error: unknown) => {
    if (!['ACCESS_DENIED', 'UNSUPPORTED'].includes(classifyS3Error(error))) throw error
  })
  const { output } = await store.send(
    new CreateMultipartUploadCommand({
      ...keyParameters(store, key),
      ...newObjectParameters(store.settings, { sha256: undefined, token: key }),
    }),
    signal,
  )
  if (output.UploadId !== undefined) await abortUpload(store, key, output.UploadId)
}

async function tryMultipart(store: S3Store, key: string, bytes: Buffer, signal: AbortSignal | undefined): Promise<void> {
  const settings = withoutLock(store.settings)
  const checksums = checksumsOf(bytes, await store.md5.md5Of(bytes), settings.profile.checksum)
  const { output } = await store.send(
    new CreateMultipartUploadCommand({
      ...keyParameters(store, key),
      ...newObjectParameters(settings, { sha256: undefined, token: key }),
      ...multipartChecksumParameters(settings.profile.checksum),
    }),
    signal,
  )
  const { UploadId = '' } = output
  try {
    const part = await store.send(
      new UploadPartCommand({
        ...keyParameters(store, key),
        ...customerKey(settings),
        ...checksums.request,
        UploadId,
        PartNumber: 1,
        Body: bytes,
      }),
      signal,
    )
    const etag = plainEtag(part.output.ETag)
    const listed = await listParts(store, key, UploadId, signal)
    if (listed?.get(1)?.etag !== etag) throw unexpected('a part that was stored is not in the list of parts')
    await store.send(
      new CompleteMultipartUploadCommand({
        ...keyParameters(store, key),
        ...customerKey(settings),
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: `"${etag}"`, ...checksums.part }] },
      }),
      signal,
    )
  } catch (error) {
    await abortUpload(store, key, UploadId).catch(() => undefined)
    throw error
  }
}

/** Goes on after an abort: what was tried must not stay. */
async function cleanUp(store: S3Store, folder: string): Promise<readonly Problem[]> {
  const signal = AbortSignal.timeout(15_000)
  const problems: Problem[] = []
  for (const name of ['small + object', 'small, the second', 'parts']) {
    try {
      await removeObject(store, `${folder}/${name}`, signal)
    } catch (error) {
      if (classifyS3Error(error) === 'NOT_FOUND' || problems.length > 0) continue
      const trial = {
        name: 'removal',
        severity: 'warning',
        otherwise: 'old backups cannot be removed, and this check left an object',
      } as const
      problems.push(problemOf(store, trial, error))
    }
  }
  return problems
}

function unexpected(message: string): BackupError {
  return new BackupError(message, {
    code: 'UNSUPPORTED',
    hint: 'Use another store, or ask whoever runs this one: it does not keep to the protocol of S3.',
  })
}

function problemOf(store: S3Store, trial: Omit<Trial, 'run'>, error: unknown): Problem {
  const named = s3Error(error, trial.name, store.place)
  const told = BackupError.is(named) ? named : undefined
  return {
    severity: trial.severity,
    code: told?.code ?? 'UNKNOWN',
    message: `${trial.name}: ${told?.message ?? String(named)}; ${trial.otherwise}`,
    hint: told?.hint ?? 'Try again, and look at the cause in the log of the store.',
  }
}
