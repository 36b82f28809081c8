import * as z from 'zod'
import { goJsonString } from './go-json.ts'
import { isStorageId, type StorageId } from './storage-id.ts'

/** A file below `snapshots/`; restic, doc/design.rst, "Snapshots". */
export interface SnapshotRecord {
  /** ISO 8601. */
  readonly time: string
  readonly tree: StorageId
  readonly paths: readonly string[]
  readonly hostname?: string | undefined
  readonly username?: string | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  readonly tags?: readonly string[] | undefined
  /** The snapshot that a copy was made of. */
  readonly original?: StorageId | undefined
}

const storageId = z.string().refine(isStorageId, 'no storage id')

const schema = z.object({
  time: z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'no time'),
  tree: storageId,
  paths: z
    .array(z.string())
    .nullish()
    .transform((paths) => paths ?? []),
  hostname: z.string().optional(),
  username: z.string().optional(),
  uid: z.number().optional(),
  gid: z.number().optional(),
  tags: z
    .array(z.string())
    .nullish()
    .transform((tags) => tags ?? undefined),
  original: storageId.optional(),
})

/** Throws a `ZodError`. */
export function parseSnapshot(json: unknown): SnapshotRecord {
  return schema.parse(json)
}

export function snapshotJson({ time, tree, paths, hostname, username, uid, gid, tags, original }: SnapshotRecord): string {
  const texts = (list: readonly string[]) => `[${list.map(goJsonString).join(',')}]`
  const fields: readonly (string | undefined)[] = [
    `"time":${goJsonString(time)}`,
    `"tree":"${tree}"`,
    `"paths":${texts(paths)}`,
    hostname === undefined ? undefined : `"hostname":${goJsonString(hostname)}`,
    username === undefined ? undefined : `"username":${goJsonString(username)}`,
    uid === undefined ? undefined : `"uid":${uid}`,
    gid === undefined ? undefined : `"gid":${gid}`,
    tags === undefined || tags.length === 0 ? undefined : `"tags":${texts(tags)}`,
    original === undefined ? undefined : `"original":"${original}"`,
  ]
  return `{${fields.filter((field) => field !== undefined).join(',')}}`
}
