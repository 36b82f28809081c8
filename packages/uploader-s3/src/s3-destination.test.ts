import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseS3Destination, printS3Destination } from './s3-destination.ts'
import { s3ProfileNames } from './s3-profiles.ts'

describe('a destination', () => {
  test.each([
    ['s3://bucket', { bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
    ['S3://bucket/a/b/', { bucket: 'bucket', prefix: 'a/b' }],
    ['s3://bucket/with%20space/%C3%A9', { bucket: 'bucket', prefix: 'with space/é' }],
    [
      's3://bucket/a?endpoint=https://s3.example.com:9000/&region=eu-1&profile=minio&pathStyle=false',
      { bucket: 'bucket', prefix: 'a', endpoint: 'https://s3.example.com:9000', region: 'eu-1', profile: 'minio', pathStyle: false },
    ],
  ])('%s', (destination, expected) => {
    expect(parseS3Destination(destination)).toEqual(expected)
  })

  test.each([
    ['', /does not begin with s3/],
    ['bucket/prefix', /does not begin with s3/],
    ['s3:///prefix', /names no bucket/],
    ['s3://b/x', /no name of a bucket/],
    ['s3://bucket/a//b', /empty segment/],
    ['s3://bucket/../b', /empty segment, \. or \.\./],
    ['s3://bucket/%2e%2e/b', /empty segment, \. or \.\./],
    ['s3://bucket/%zz', /percent-encoded/],
    ['s3://bucket/%00', /no text/],
    ['s3://bucket/a#b', /%23/],
    ['s3://bucket/?endpoint=ftp://host', /http or https/],
    ['s3://bucket/?endpoint=https://host/path', /more than a host/],
    ['s3://bucket/?region=a&region=b', /more than once/],
    ['s3://bucket/?region=a_b', /no name of a region/],
    ['s3://bucket/?profile=azure', /none of aws, ceph/],
    ['s3://bucket/?pathStyle=yes', /neither true nor false/],
    ['s3://bucket/?endpont=https://host', /did you mean "endpoint"/],
  ])('%s is refused', (destination, reason) => {
    expect(() => parseS3Destination(destination)).toThrow(
      expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringMatching(reason) }),
    )
  })

  test.each([
    's3://KEY:hush-hush@bucket/prefix',
    's3://bucket/?secretAccessKey=hush-hush',
    's3://bucket/?endpoint=https://user:hush-hush@host',
  ])('never repeats a secret in it: %s', (destination) => {
    try {
      parseS3Destination(destination)
      expect.unreachable()
    } catch (error) {
      expect(`${error} ${(error as { hint?: string }).hint}`).not.toContain('hush-hush')
    }
  })

  test('is read again as it was printed', () => {
    const segment = fc
      .string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
      .filter((text) => !/[/\0]|^\.{1,2}$/.test(text) && text.isWellFormed())
    const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
    fc.assert(
      fc.property(
        fc.record({
          bucket: fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,20}$/),
          prefix: fc.array(segment, { maxLength: 4 }).map((segments) => segments.join('/')),
          endpoint: optional(fc.constantFrom('https://s3.example.com', 'http://[::1]:8333', 'http://127.0.0.1:1')),
          region: optional(fc.constantFrom('eu-central-1', 'auto')),
          profile: optional(fc.constantFrom(...s3ProfileNames)),
          pathStyle: optional(fc.boolean()),
        }),
        (destination) => {
          expect(parseS3Destination(printS3Destination(destination))).toEqual(JSON.parse(JSON.stringify(destination)))
        },
      ),
    )
  })
})
