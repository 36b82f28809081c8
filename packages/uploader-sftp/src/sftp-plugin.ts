import { parseSettings, type UploaderPlugin } from '@backup-planet/core'
import { parseSftpDestination } from './sftp-destination.ts'
import { type SftpSettings, sftpPluginSettingsSchema } from './sftp-settings.ts'
import { createSftpUploader } from './sftp-uploader.ts'

export const plugin: UploaderPlugin = {
  contract: 'uploader-plugin/1',
  schemes: ['sftp'],
  manyBuffers: true,
  exampleDestination: 'sftp://backup@backup.example.org/srv/backups',
  create(destination, settings) {
    const place = parseSftpDestination(destination)
    parseSettings(sftpPluginSettingsSchema, settings, 'uploader settings')
    return createSftpUploader({ ...(settings as Partial<SftpSettings> | undefined), ...place })
  },
}
