import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { S3ChecksumMode } from '../s3-profiles.ts'
import { checksumsOf, contradicts, multipartChecksums, type SentChecksums } from './sent-checksums.ts'

const bytes = Buffer.from('123456789')

function sentOf(of: Uint8Array, mode: S3ChecksumMode): SentChecksums {
  return checksumsOf(of, createHash('md5').update(of).digest('hex'), mode)
}

test('checksums are those that the documents of S3 and their standards name', () => {
  expect(sentOf(bytes, 'md5')).toEqual({
    md5: '25f9e794323b453885f5181f1b624d0b',
    request: { ContentMD5: 'JfnnlDI7RTiF9RgfG2JNCw==' },
    part: {},
  })
  // The check value of CRC-32/ISO-HDLC is cbf43926.
  expect(sentOf(bytes, 'crc32').request).toEqual({ ChecksumCRC32: Buffer.from('cbf43926', 'hex').toString('base64') })
  // That of CRC-32/ISCSI is e3069283.
  expect(sentOf(bytes, 'crc32c').request).toEqual({ ChecksumCRC32C: Buffer.from('e3069283', 'hex').toString('base64') })
  expect(sentOf(bytes, 'sha256').part).toEqual({
    ChecksumSHA256: Buffer.from('15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225', 'hex').toString('base64'),
  })
})

test('an answer contradicts only where its ETag is an MD5 of what is stored', () => {
  const sent = sentOf(bytes, 'md5')
  const { md5 } = sent
  expect(contradicts({ ETag: `"${md5}"` }, sent)).toBe(false)
  expect(contradicts({ ETag: `"${md5.toUpperCase()}"`, ServerSideEncryption: 'AES256' }, sent)).toBe(false)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"` }, sent)).toBe(true)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"`, ServerSideEncryption: 'aws:kms' }, sent)).toBe(false)
  expect(contradicts({ ETag: `"${'0'.repeat(32)}"`, SSECustomerAlgorithm: 'AES256' }, sent)).toBe(false)
  expect(contradicts({ ETag: '"something else"' }, sent)).toBe(false)
  expect(contradicts({}, sent)).toBe(false)
  const whole = multipartChecksums([sent, sent])
  expect(whole).toEqual({ md5: expect.stringMatching(/^[0-9a-f]{32}-2$/), part: {} })
  expect(contradicts({ ETag: `"${'0'.repeat(32)}-2"` }, whole)).toBe(true)
  expect(contradicts({ ETag: `"${whole.md5}"` }, whole)).toBe(false)
})

test.each([
  ['crc32', 'ChecksumCRC32', 'H4d9Zg==-2'],
  ['crc32c', 'ChecksumCRC32C', 'ay/PTQ==-2'],
  ['sha256', 'ChecksumSHA256', 'H51Owsf139I7W+Qf9EmNzH3YvFGGhARSeGNJoVc48jI=-2'],
] as const)('an answer with %s contradicts where it is another, also under a key that makes the ETag say nothing', (mode, name, ofBoth) => {
  const kms = { ETag: `"${'0'.repeat(32)}"`, ServerSideEncryption: 'aws:kms' }
  const sent = sentOf(bytes, mode)
  expect(contradicts({ ...kms, [name]: sent.part[name] }, sent)).toBe(false)
  expect(contradicts({ ...kms, [name]: sentOf(Buffer.from('other'), mode).part[name] }, sent)).toBe(true)
  const whole = multipartChecksums([sent, sentOf(Buffer.from('other'), mode)])
  expect(whole.part).toEqual({ [name]: ofBoth })
  expect(contradicts({ ...kms, [name]: ofBoth }, whole)).toBe(false)
  expect(contradicts({ ...kms, [name]: `${sent.part[name]}-2` }, whole)).toBe(true)
  // Of the whole object, which is nothing that was computed here.
  expect(contradicts({ ...kms, [name]: sent.part[name] }, whole)).toBe(false)
})
