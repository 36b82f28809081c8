import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { S3ChecksumMode } from '../s3-profiles.ts'
import { crc32c } from './crc32c.ts'

/** Checksums of S3's newer kind: the name of each in requests and answers, how it is announced for parts, and how it is computed. */
const newerChecksums = {
  crc32: { name: 'ChecksumCRC32', algorithm: 'CRC32', digest: (bytes: Uint8Array) => bigEndian(crc32(bytes)) },
  crc32c: { name: 'ChecksumCRC32C', algorithm: 'CRC32C', digest: (bytes: Uint8Array) => bigEndian(crc32c(bytes)) },
  sha256: { name: 'ChecksumSHA256', algorithm: 'SHA256', digest: (bytes: Uint8Array) => createHash('sha256').update(bytes).digest() },
} as const

type NewerChecksum = (typeof newerChecksums)[keyof typeof newerChecksums]

/** One of them, in base64. */
export type ChecksumMembers = { readonly [Name in NewerChecksum['name']]?: string | undefined }

/** What a store is told of bytes, and what its answer is compared with. */
export interface SentChecksums {
  /** Lower-case hex: the ETag of what is stored without a key of the key service or the customer. */
  readonly md5: string
  /** Members of a request that carries the bytes. */
  readonly request: ChecksumMembers & { readonly ContentMD5?: string }
  /** The same for the list of parts that completes an upload. */
  readonly part: ChecksumMembers
}

/** Of a whole multipart upload. */
export type WholeChecksums = Pick<SentChecksums, 'md5' | 'part'>

/** @param md5 of the bytes, in lower-case hex */
export function checksumsOf(bytes: Uint8Array, md5: string, mode: S3ChecksumMode): SentChecksums {
  if (mode === 'md5') return { md5, request: { ContentMD5: Buffer.from(md5, 'hex').toString('base64') }, part: {} }
  const { name, digest } = newerChecksums[mode]
  const newer = { [name]: digest(bytes).toString('base64') }
  return { md5, request: newer, part: newer }
}

/** What a multipart upload announces beforehand; nothing where parts carry `Content-MD5`. */
export function multipartChecksumParameters(mode: S3ChecksumMode): { readonly ChecksumAlgorithm?: NewerChecksum['algorithm'] } {
  return mode === 'md5' ? {} : { ChecksumAlgorithm: newerChecksums[mode].algorithm }
}

/**
 * What the answer about a whole multipart upload is compared with: the ETag, which is the MD5 of the MD5s of its parts and their number, and
 * likewise the checksum of the checksums ("Composite checksums", Amazon S3 User Guide, Checking object integrity).
 */
export function multipartChecksums(parts: readonly WholeChecksums[]): WholeChecksums {
  const md5s = Buffer.concat(parts.map(({ md5 }) => Buffer.from(md5, 'hex')))
  const composites = Object.values(newerChecksums).flatMap(({ name, digest }): [string, string][] => {
    const given = parts.flatMap(({ part }) => part[name] ?? [])
    if (given.length < parts.length) return []
    const whole = digest(Buffer.concat(given.map((sum) => Buffer.from(sum, 'base64'))))
    return [[name, `${whole.toString('base64')}-${parts.length}`]]
  })
  return { md5: `${createHash('md5').update(md5s).digest('hex')}-${parts.length}`, part: Object.fromEntries(composites) }
}

export function plainEtag(etag: string | undefined): string {
  return etag?.replace(/^(W\/)?"|"$/g, '').toLowerCase() ?? ''
}

export interface AnsweredChecksums extends ChecksumMembers {
  readonly ETag?: string | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSECustomerAlgorithm?: string | undefined
}

/**
 * Whether an answer contradicts what was computed here. Where the ETag is something else than an MD5, as with keys of the key service
 * or the customer, it says nothing; where the store repeats the newer checksum, that one is compared as well.
 */
export function contradicts(answer: AnsweredChecksums, { md5, part }: WholeChecksums): boolean {
  return contradictsEtag(answer, md5) || Object.values(newerChecksums).some(({ name }) => isOther(answer[name], part[name]))
}

/** Of a checksum over the whole object, where one over those of its parts is expected, nothing is known here. */
function isOther(answered: string | undefined, expected: string | undefined): boolean {
  if (answered === undefined || expected === undefined || answered.includes('-') !== expected.includes('-')) return false
  return answered !== expected
}

function contradictsEtag(answer: AnsweredChecksums, expected: string): boolean {
  if (answer.SSECustomerAlgorithm !== undefined) return false
  if (answer.ServerSideEncryption !== undefined && answer.ServerSideEncryption !== 'AES256') return false
  const etag = plainEtag(answer.ETag)
  const shape = expected.includes('-') ? /^[0-9a-f]{32}-\d+$/ : /^[0-9a-f]{32}$/
  return shape.test(etag) && etag !== expected
}

function bigEndian(sum: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(sum)
  return buffer
}
