import { expect, test } from 'vitest'
import { checksumsOf, contradicts, multipartEtag } from './sent-checksums.ts'

const bytes = Buffer.from('123456789')

test('checksums are those that the documents of S3 and their standards name', () => {
  expect(checksumsOf(bytes, 'md5')).toEqual({
    md5: '25f9e794323b453885f5181f1b624d0b',
    request: { ContentMD5: 'JfnnlDI7RTiF9RgfG2JNCw==' },
    part: {},
  })
  // The check value of CRC-32/ISO-HDLC is cbf43926.
  expect(checksumsOf(bytes, 'crc32').request).toEqual({ ChecksumCRC32: Buffer.from('cbf43926', 'hex').toString('base64') })
  expect(checksumsOf(bytes, 'sha256').part).toEqual({
    ChecksumSHA256: Buffer.from('15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225', 'hex').toString('base64'),
  })
})

test('an answer contradicts only where its ETag is an MD5 of what is stored', () => {
  const { md5 } = checksumsOf(bytes, 'md5')
  expect(contradicts({ ETag: `"${md5}"` }, md5)).toBe(false)
  expect(contradicts({ ETag: `"${md5.toUpperCase()}"`, ServerSideEncryption: 'AES256' }, md5)).toBe(false)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"` }, md5)).toBe(true)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"`, ServerSideEncryption: 'aws:kms' }, md5)).toBe(false)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"`, SSECustomerAlgorithm: 'AES256' }, md5)).toBe(false)
  expect(contradicts({ ETag: '"something else"' }, md5)).toBe(false)
  expect(contradicts({}, md5)).toBe(false)
  const whole = multipartEtag([md5, md5])
  expect(whole).toMatch(/^[0-9a-f]{32}-2$/)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}-2"` }, whole)).toBe(true)
  expect(contradicts({ ETag: `"${whole}"` }, whole)).toBe(false)
})
