import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { S3Client } from '@aws-sdk/client-s3'
import { BackupError, parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { smallestPartBytes } from './multipart/part-sizes.ts'
import { crc32c } from './objects/crc32c.ts'
import { endpointProblem, isBucketName, prefixProblem } from './s3-destination.ts'
import {
  profileOf,
  regionOf,
  type S3ChecksumMode,
  type S3Profile,
  type S3ProfileName,
  s3ChecksumModes,
  s3ProfileNames,
  s3Profiles,
} from './s3-profiles.ts'

export interface S3UploaderSettings extends S3SettingsBesideDestination {
  readonly bucket: string
  /** Before every key, without slash at either end; none when left out. */
  readonly prefix?: string | undefined
  /** `https://host[:port]` of a store other than AWS. */
  readonly endpoint?: string | undefined
  /** That of the profile, the endpoint, or AWS's own configuration when left out. */
  readonly region?: string | undefined
  /** Recognised by the endpoint when left out. */
  readonly profile?: S3ProfileName | undefined
  /** That of the profile when left out. */
  readonly pathStyle?: boolean | undefined
}

/** What a destination does not say. */
export interface S3SettingsBesideDestination {
  /** The SDK's own chain (environment, profile, web identity, container, instance) when left out. */
  readonly credentials?: S3Credentials | undefined
  /** A role that those credentials take on. */
  readonly assumeRole?: S3Role | undefined
  /** That of the profile when left out. */
  readonly checksums?: S3ChecksumMode | undefined
  /** What parts on their way take of memory, for all uploads together. 64 MiB, and more for content that needs larger parts, when left out. */
  readonly memoryBytes?: number | undefined
  /** Bytes of the first parts, 5 MiB or more; 8 MiB when left out. */
  readonly partBytes?: number | undefined
  /** Parts of one upload, and uploads, that are sent at once; 4 when left out. */
  readonly concurrency?: number | undefined
  /** How long a connection may be silent, in milliseconds; 60 000 when left out. */
  readonly silenceMilliseconds?: number | undefined
  readonly storageClass?: string | undefined
  readonly serverSideEncryption?: S3ServerSideEncryption | undefined
  readonly objectLock?: S3ObjectLock | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** `http://[user:password@]host:port` of a proxy. */
  readonly proxy?: string | undefined
  /** Absolute path of a file with certificates (PEM) that are trusted instead of those of Node.js. */
  readonly caFile?: string | undefined
  /** The same as text. */
  readonly ca?: string | undefined
  /** Absolute path of a directory of this uploader's own, in which interrupted uploads are noted, so that they go on. No resuming when left out. */
  readonly journalDirectory?: string | undefined
  /** Unfinished uploads below the prefix are removed after this time; 7 days when left out. */
  readonly abandonedAfterSeconds?: number | undefined
  /** A client of one's own instead; of it and of `credentials`, `proxy` and the like there can be one. Not from a configuration file. */
  readonly createClient?: (() => S3Client) | undefined
}

export type S3Credentials =
  | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string | undefined }
  /** A name in `~/.aws/config` or `~/.aws/credentials`. */
  | { readonly profile: string }

export interface S3Role {
  readonly roleArn: string
  /** `https://host[:port]` of the token service; that of AWS, or of the endpoint of another store, when left out. */
  readonly endpoint?: string | undefined
  readonly externalId?: string | undefined
  readonly sessionName?: string | undefined
  readonly durationSeconds?: number | undefined
}

export type S3ServerSideEncryption =
  /** SSE-S3: keys of the store. */
  | { readonly kind: 's3' }
  /** SSE-KMS: a key of the key service, the bucket's own one when left out. */
  | { readonly kind: 'kms'; readonly keyId?: string | undefined }
  /** SSE-C: 32 bytes in base64, which the store forgets. Without them nobody can read what was stored. */
  | { readonly kind: 'customer'; readonly key: string }

export interface S3ObjectLock {
  readonly mode?: 'GOVERNANCE' | 'COMPLIANCE' | undefined
  /** From the moment of each upload; this or `until` goes with `mode`. */
  readonly retainDays?: number | undefined
  /** ISO 8601. */
  readonly until?: string | undefined
  readonly legalHold?: boolean | undefined
}

export interface ResolvedS3Settings {
  readonly bucket: string
  readonly prefix: string
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly profileName: S3ProfileName
  readonly profile: S3Profile
  readonly credentials: S3Credentials | undefined
  readonly assumeRole: S3Role | undefined
  readonly memoryBytes: number
  /** No part may be larger. */
  readonly mostPartBytes: number
  readonly partBytes: number
  readonly concurrency: number
  readonly silenceMilliseconds: number
  readonly storageClass: string | undefined
  readonly serverSideEncryption: S3ServerSideEncryption | undefined
  readonly objectLock: S3ObjectLock | undefined
  readonly tags: Readonly<Record<string, string>>
  readonly proxy: string | undefined
  readonly ca: string | undefined
  readonly journalDirectory: string | undefined
  readonly abandonedAfterSeconds: number
  readonly createClient: (() => S3Client) | undefined
}

const mebibyte = 1024 ** 2
const defaultPartBytes = 8 * mebibyte
const defaultMemoryBytes = 64 * mebibyte

const text = (longest: number) => z.string().min(1, 'must not be empty').max(longest, `must not be longer than ${longest} characters`)
const absolutePath = z.string().refine((path) => isAbsolute(path) && !path.includes('\0'), 'must be an absolute path')

const endpoint = z
  .string()
  .refine((address) => endpointProblem(address) === undefined, 'must be http:// or https:// with host and port, and no more')

const credentials = z.union(
  [
    z.strictObject({ accessKeyId: text(256), secretAccessKey: text(1024), sessionToken: text(16_384).optional() }),
    z.strictObject({ profile: text(256) }),
  ],
  'must be accessKeyId with secretAccessKey (and sessionToken), or profile',
)

const serverSideEncryption = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('s3') }),
  z.strictObject({ kind: z.literal('kms'), keyId: text(2048).optional() }),
  z.strictObject({
    kind: z.literal('customer'),
    key: z.string().refine((key) => /^[A-Za-z0-9+/]{43}=$/.test(key), 'must be 32 bytes in base64'),
  }),
])

const objectLock = z
  .strictObject({
    mode: z.enum(['GOVERNANCE', 'COMPLIANCE']).optional(),
    retainDays: z.int().min(1).max(36_500).optional(),
    until: z.iso.datetime({ offset: true }).optional(),
    legalHold: z.boolean().optional(),
  })
  .refine(
    ({ mode, retainDays, until }) => (mode === undefined ? 0 : 1) === [retainDays, until].filter((given) => given !== undefined).length,
    'must have mode with retainDays or until, or none of them',
  )

const besideDestination = {
  credentials: credentials.optional(),
  assumeRole: z
    .strictObject({
      roleArn: text(2048),
      endpoint: endpoint.optional(),
      externalId: text(1224).optional(),
      sessionName: z
        .string()
        .regex(/^[\w+=,.@-]{2,64}$/, 'must be 2 to 64 letters, digits or +=,.@-')
        .optional(),
      durationSeconds: z.int().min(900).max(43_200).optional(),
    })
    .optional(),
  checksums: z.enum(s3ChecksumModes).optional(),
  memoryBytes: z.int().min(smallestPartBytes).optional(),
  partBytes: z
    .int()
    .min(smallestPartBytes)
    .max(1024 * mebibyte)
    .default(defaultPartBytes),
  concurrency: z.int().min(1).max(64).default(4),
  silenceMilliseconds: z.int().min(1000).max(3_600_000).default(60_000),
  storageClass: z
    .string()
    .regex(/^[A-Z0-9_-]{1,64}$/, 'must be a name in capitals such as STANDARD_IA')
    .optional(),
  serverSideEncryption: serverSideEncryption.optional(),
  objectLock: objectLock.optional(),
  tags: z
    .record(text(128), z.string().max(256))
    .refine((tags) => Object.keys(tags).length <= 10, 'must not be more than 10')
    .default({}),
  proxy: z
    .string()
    .refine((proxy) => /^https?:$/.test(URL.parse(proxy)?.protocol ?? ''), 'must be a URL such as http://host:3128')
    .optional(),
  caFile: absolutePath.optional(),
  ca: z.string().includes('-----BEGIN CERTIFICATE-----', 'must be certificates in PEM').optional(),
  journalDirectory: absolutePath.optional(),
  abandonedAfterSeconds: z
    .int()
    .min(3600)
    .default(7 * 86_400),
  createClient: z.custom<() => S3Client>((value) => typeof value === 'function', 'must be a function').optional(),
}

export const s3SettingsSchema = z
  .strictObject({
    bucket: z.string().refine(isBucketName, 'must be the name of a bucket'),
    prefix: z
      .string()
      .refine((prefix) => prefixProblem(prefix) === undefined, 'must be segments with / between them, none of them empty, . or ..')
      .default(''),
    endpoint: endpoint.optional(),
    region: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a region')
      .optional(),
    profile: z.enum(s3ProfileNames).optional(),
    pathStyle: z.boolean().optional(),
    ...besideDestination,
  })
  .superRefine((settings, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (settings.ca !== undefined && settings.caFile !== undefined) refuse('ca', 'must not be given beside caFile')
    if (settings.memoryBytes !== undefined && settings.memoryBytes < settings.partBytes)
      refuse('memoryBytes', `must be at least partBytes, ${settings.partBytes}`)
    if (settings.createClient !== undefined)
      for (const name of ['credentials', 'assumeRole', 'proxy', 'ca', 'caFile'] as const)
        if (settings[name] !== undefined) refuse(name, 'must not be given beside createClient, which decides it')
    const profile = settings.profile ?? profileOf(settings.endpoint)
    if (settings.endpoint === undefined && profile !== 'aws' && profile !== 'gcs' && settings.createClient === undefined)
      refuse('endpoint', `must be given for the profile ${profile}`)
  })

/** Throws `INVALID_SETTINGS` that names every problem at once and shows no value. Reads `caFile`. */
export function resolveS3Settings(settings: unknown): ResolvedS3Settings {
  const parsed = parseSettings(s3SettingsSchema, settings, 'uploader settings')
  const endpoint = parsed.endpoint?.replace(/\/$/, '') ?? (parsed.profile === 'gcs' ? 'https://storage.googleapis.com' : undefined)
  const profileName = parsed.profile ?? profileOf(endpoint)
  const known = s3Profiles[profileName]
  // Whether it can be computed here is known before anything is sent.
  if (parsed.checksums === 'crc32c') crc32c(new Uint8Array(0))
  return {
    ...parsed,
    endpoint,
    region: parsed.region ?? regionOf(endpoint) ?? known.region,
    profileName,
    profile: { ...known, pathStyle: parsed.pathStyle ?? known.pathStyle, checksum: parsed.checksums ?? known.checksum },
    memoryBytes: parsed.memoryBytes ?? Math.max(defaultMemoryBytes, parsed.partBytes),
    mostPartBytes: parsed.memoryBytes ?? Number.MAX_SAFE_INTEGER,
    ca: parsed.ca ?? (parsed.caFile === undefined ? undefined : certificatesIn(parsed.caFile)),
  } as ResolvedS3Settings
}

function certificatesIn(path: string): string {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new BackupError(`the certificates in ${path} cannot be read`, {
      code: 'INVALID_SETTINGS',
      hint: 'Correct caFile, or let the user that runs backups read it.',
      cause,
    })
  }
  if (content.includes('-----BEGIN CERTIFICATE-----')) return content
  throw new BackupError(`${path} holds no certificate`, {
    code: 'INVALID_SETTINGS',
    hint: 'Give a file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----.',
  })
}
