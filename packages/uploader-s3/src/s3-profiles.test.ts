import { expect, test } from 'vitest'
import { profileOf, regionOf, s3ProfileNames, s3Profiles } from './s3-profiles.ts'

test.each([
  [undefined, 'aws', undefined],
  ['https://s3.eu-central-1.amazonaws.com', 'aws', 'eu-central-1'],
  ['https://s3.cn-north-1.amazonaws.com.cn', 'aws', 'cn-north-1'],
  ['https://0123abcd.r2.cloudflarestorage.com', 'r2', undefined],
  ['https://s3.eu-central-003.backblazeb2.com', 'b2', 'eu-central-003'],
  ['https://s3.eu-central-2.wasabisys.com', 'wasabi', 'eu-central-2'],
  ['https://s3.gra.io.cloud.ovh.net', 'ovh', 'gra'],
  ['https://storage.googleapis.com', 'gcs', undefined],
  ['https://amazonaws.com.example.org', 'compatible', undefined],
  ['http://127.0.0.1:9000', 'compatible', undefined],
])('%s is of the profile %s, in the region %s', (endpoint, profile, region) => {
  expect(profileOf(endpoint)).toBe(profile)
  expect(regionOf(endpoint)).toBe(region)
})

test('newer checksums, which stores refuse that do not know them, are for AWS alone', () => {
  expect(s3ProfileNames.filter((name) => s3Profiles[name].checksum !== 'md5')).toEqual(['aws'])
})
