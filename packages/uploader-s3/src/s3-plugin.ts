import { BackupError, parseSettings, type UploaderPlugin } from '@backup-planet/core'
import * as z from 'zod'
import { parseS3Destination } from './s3-destination.ts'
import type { S3UploaderSettings } from './s3-settings.ts'
import { createS3Uploader } from './s3-uploader.ts'

const fromDestination = ['bucket', 'prefix', 'endpoint', 'region', 'profile', 'pathStyle'] as const

/** Stores by URL: `s3://bucket/prefix?endpoint=https://host&region=name&profile=name&pathStyle=true`. Credentials are settings. */
export const plugin: UploaderPlugin = {
  contract: 'uploader-plugin/1',
  schemes: ['s3'],
  manyBuffers: true,
  exampleDestination: 's3://bucket/prefix?region=eu-central-1',
  journalSetting: 'journalDirectory',
  create(destination, settings) {
    const given = parseSettings(z.looseObject({}), settings, 'uploader settings')
    const twice = fromDestination.filter((name) => name in given)
    if (twice.length > 0) {
      throw new BackupError(`invalid settings: ${twice.join(', ')} of the uploader must not be given beside a destination`, {
        code: 'INVALID_SETTINGS',
        hint: 'Write them into the destination: s3://bucket/prefix?endpoint=https://host&region=name&profile=name.',
      })
    }
    const told = Object.entries(parseS3Destination(destination)).filter(([, value]) => value !== undefined)
    return createS3Uploader({ ...given, ...Object.fromEntries(told) } as unknown as S3UploaderSettings)
  },
}
