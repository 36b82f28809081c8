import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { S3ChecksumMode } from '../s3-profiles.ts'

/** What a store is told of bytes, and what its answer is compared with. */
export interface SentChecksums {
  /** Lower-case hex: the ETag of what is stored without a key of the key service or the customer. */
  readonly md5: string
  /** Members of a request that carries the bytes. */
  readonly request: { readonly ContentMD5?: string; readonly ChecksumCRC32?: string; readonly ChecksumSHA256?: string }
  /** The same for the list of parts that completes an upload. */
  readonly part: { readonly ChecksumCRC32?: string; readonly ChecksumSHA256?: string }
}

export function checksumsOf(bytes: Uint8Array, mode: S3ChecksumMode): SentChecksums {
  const md5 = createHash('md5').update(bytes).digest()
  if (mode === 'md5') return { md5: md5.toString('hex'), request: { ContentMD5: md5.toString('base64') }, part: {} }
  const newer =
    mode === 'crc32' ? { ChecksumCRC32: crc32Base64(bytes) } : { ChecksumSHA256: createHash('sha256').update(bytes).digest('base64') }
  return { md5: md5.toString('hex'), request: newer, part: newer }
}

/** What a multipart upload announces beforehand; nothing where parts carry `Content-MD5`. */
export function multipartChecksumParameters(mode: S3ChecksumMode): { readonly ChecksumAlgorithm?: 'CRC32' | 'SHA256' } {
  if (mode === 'md5') return {}
  return { ChecksumAlgorithm: mode === 'crc32' ? 'CRC32' : 'SHA256' }
}

/**
 * What the answer about a whole multipart upload is compared with: the ETag, which is the MD5 of the MD5s of its parts and their number, and
 * likewise the checksum of the checksums ("Composite checksums", Amazon S3 User Guide, Checking object integrity).
 */
export function multipartChecksums(parts: readonly Pick<SentChecksums, 'md5' | 'part'>[]): Pick<SentChecksums, 'md5' | 'part'> {
  const md5s = Buffer.concat(parts.map(({ md5 }) => Buffer.from(md5, 'hex')))
  const raw = (name: keyof SentChecksums['part']): Buffer | undefined => {
    const given = parts.flatMap(({ part }) => part[name] ?? [])
    return given.length === parts.length ? Buffer.concat(given.map((sum) => Buffer.from(sum, 'base64'))) : undefined
  }
  const [crc32s, sha256s] = [raw('ChecksumCRC32'), raw('ChecksumSHA256')]
  return {
    md5: `${createHash('md5').update(md5s).digest('hex')}-${parts.length}`,
    part: {
      ...(crc32s === undefined ? {} : { ChecksumCRC32: `${crc32Base64(crc32s)}-${parts.length}` }),
      ...(sha256s === undefined ? {} : { ChecksumSHA256: `${createHash('sha256').update(sha256s).digest('base64')}-${parts.length}` }),
    },
  }
}

export function plainEtag(etag: string | undefined): string {
  return etag?.replace(/^(W\/)?"|"$/g, '').toLowerCase() ?? ''
}

export interface AnsweredChecksums {
  readonly ETag?: string | undefined
  readonly ChecksumCRC32?: string | undefined
  readonly ChecksumSHA256?: string | undefined
  readonly ServerSideEncryption?: string | undefined
  readonly SSECustomerAlgorithm?: string | undefined
}

/**
 * Whether an answer contradicts what was computed here. Where the ETag is something else than an MD5, as with keys of the key service
 * or the customer, it says nothing; where the store repeats the newer checksum, that one is compared as well.
 */
export function contradicts(answer: AnsweredChecksums, { md5, part }: Pick<SentChecksums, 'md5' | 'part'>): boolean {
  return (
    contradictsEtag(answer, md5) || isOther(answer.ChecksumCRC32, part.ChecksumCRC32) || isOther(answer.ChecksumSHA256, part.ChecksumSHA256)
  )
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

function crc32Base64(bytes: Uint8Array): string {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(crc32(bytes))
  return buffer.toString('base64')
}
