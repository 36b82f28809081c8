/** What stores that speak the S3 protocol do differently. Data, so that a new store is one more line. */
export interface S3Profile {
  /** Its name in messages and documents. */
  readonly title: string
  /** `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`. */
  readonly pathStyle: boolean
  /** Used when no region is given; `undefined` where the environment or the configuration of AWS may know it. */
  readonly region: string | undefined
  /** How the store checks what it receives: a checksum header of S3's newer kind, or `Content-MD5`, which all have. */
  readonly checksum: S3ChecksumMode
  /** All parts of a multipart upload but the last must have the same size. */
  readonly equalParts: boolean
  /** Takes `If-None-Match: *`, so that an object is never replaced. */
  readonly conditionalPut: boolean
  /** Takes up to 1000 keys in one removal. */
  readonly bulkRemoval: boolean
}

export const s3ProfileNames = ['aws', 'ceph', 'minio', 'r2', 'b2', 'wasabi', 'ovh', 'gcs', 'compatible'] as const
export type S3ProfileName = (typeof s3ProfileNames)[number]

export const s3ChecksumModes = ['md5', 'crc32', 'crc32c', 'sha256'] as const
export type S3ChecksumMode = (typeof s3ChecksumModes)[number]

const compatible: S3Profile = {
  title: 'an S3-compatible store',
  pathStyle: true,
  region: 'us-east-1',
  checksum: 'md5',
  equalParts: false,
  conditionalPut: false,
  bulkRemoval: true,
}

export const s3Profiles: Readonly<Record<S3ProfileName, S3Profile>> = {
  aws: { ...compatible, title: 'AWS S3', pathStyle: false, region: undefined, checksum: 'crc32', conditionalPut: true },
  ceph: { ...compatible, title: 'Ceph RADOS gateway', conditionalPut: true },
  minio: { ...compatible, title: 'MinIO', conditionalPut: true },
  // "All parts except the last must be the same size": Cloudflare R2, Multipart upload, Limitations.
  r2: { ...compatible, title: 'Cloudflare R2', region: 'auto', equalParts: true, conditionalPut: true },
  b2: { ...compatible, title: 'Backblaze B2' },
  wasabi: { ...compatible, title: 'Wasabi' },
  ovh: { ...compatible, title: 'OVHcloud Object Storage', region: undefined },
  // The XML interface of Google Cloud Storage with interoperability keys; removal of many objects at once is not part of it.
  gcs: { ...compatible, title: 'Google Cloud Storage', region: 'auto', bulkRemoval: false },
  compatible,
}

const hosts: readonly (readonly [pattern: RegExp, profile: S3ProfileName])[] = [
  [/(^|\.)amazonaws\.com(\.cn)?$/, 'aws'],
  [/\.r2\.cloudflarestorage\.com$/, 'r2'],
  [/\.backblazeb2\.com$/, 'b2'],
  [/\.wasabisys\.com$/, 'wasabi'],
  [/\.cloud\.ovh\.(net|us)$/, 'ovh'],
  [/(^|\.)storage\.googleapis\.com$/, 'gcs'],
]

/** The profile of an endpoint by its host name; AWS without endpoint. */
export function profileOf(endpoint: string | undefined): S3ProfileName {
  if (endpoint === undefined) return 'aws'
  const host = new URL(endpoint).hostname.toLowerCase()
  return hosts.find(([pattern]) => pattern.test(host))?.[1] ?? 'compatible'
}

/** The region that an endpoint names in its host, as those of B2, Wasabi and OVHcloud do: `s3.eu-central-003.backblazeb2.com`. */
export function regionOf(endpoint: string | undefined): string | undefined {
  if (endpoint === undefined) return undefined
  const host = new URL(endpoint).hostname.toLowerCase()
  return /(?:^|\.)s3[.-]([a-z]+(?:-[a-z0-9]+)*)\.(?:backblazeb2\.com|wasabisys\.com|io\.cloud\.ovh\.(?:net|us)|amazonaws\.com(?:\.cn)?)$/.exec(
    host,
  )?.[1]
}
