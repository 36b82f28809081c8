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

/** The ETag of a multipart upload: MD5 of the MD5s of its parts, and their number. */
export function multipartEtag(md5s: readonly string[]): string {
  const hash = createHash('md5')
  for (const md5 of md5s) hash.update(Buffer.from(md5, 'hex'))
  return `${hash.digest('hex')}-${md5s.length}`
}

export function plainEtag(etag: string | undefined): string {
  return etag?.replace(/^(W\/)?"|"$/g, '').toLowerCase() ?? ''
}

/**
 * Whether an answer contradicts the MD5 that was computed here. Where the ETag is something else, as with keys of the key service
 * or the customer, it says nothing, and the checksum in the request is what counts.
 */
export function contradicts(
  answer: {
    readonly ETag?: string | undefined
    readonly ServerSideEncryption?: string | undefined
    readonly SSECustomerAlgorithm?: string | undefined
  },
  expected: string,
): boolean {
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
