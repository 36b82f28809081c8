import { randomBytes } from 'node:crypto'
import { startThrowawayCephS3, type ThrowawayCephS3, type ThrowawayCephS3Options } from '@backup-planet/tooling/throwaway-ceph-s3'
import { createS3Store } from '../src/client/s3-store.ts'
import { listUnfinishedUploads } from '../src/multipart/unfinished-uploads.ts'
import { listObjects } from '../src/objects/object-listing.ts'
import { resolveS3Settings, type S3UploaderSettings } from '../src/s3-settings.ts'

/** A gateway with a bucket, and settings for places in it that nobody else uses. */
export interface CephPlace extends AsyncDisposable {
  readonly server: ThrowawayCephS3
  readonly bucket: string
  /** For an empty place of its own. */
  settings(more?: Partial<S3UploaderSettings>): S3UploaderSettings
  /** Objects below the prefix of these settings, and unfinished uploads as `key (unfinished)`. */
  everythingStored(settings: S3UploaderSettings): Promise<readonly string[]>
}

export async function startCephPlace(options: ThrowawayCephS3Options = {}): Promise<CephPlace> {
  const bucket = 'backups'
  const server = await startThrowawayCephS3({ ...options, buckets: [bucket] })
  return {
    server,
    bucket,
    settings: (more = {}) => ({
      bucket,
      prefix: `place/${randomBytes(6).toString('hex')}`,
      endpoint: server.endpoint,
      profile: 'ceph',
      credentials: server.user,
      ...more,
    }),
    everythingStored: (settings) => everythingStored(server, settings),
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** Asked of the server itself, whatever proxy or client the settings name. */
async function everythingStored(server: ThrowawayCephS3, settings: S3UploaderSettings): Promise<readonly string[]> {
  const { createClient: _, ...rest } = settings
  const store = createS3Store(resolveS3Settings({ ...rest, endpoint: server.endpoint, credentials: server.user }))
  const found: string[] = []
  for await (const { key } of listObjects(store, '', undefined)) found.push(key)
  for await (const { key } of listUnfinishedUploads(store, '')) found.push(`${key} (unfinished)`)
  store.close()
  return found.sort()
}
