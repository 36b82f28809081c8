import { parseSettings, type RepositoryPlugin } from '@backup-planet/core'
import { createResticRepository } from './restic-repository.ts'
import { exampleResticSettings, type ResticSettings, resticSettingsSchema } from './restic-settings.ts'

export const plugin: RepositoryPlugin = {
  contract: 'repository-plugin/1',
  kind: 'restic',
  exampleSettings: exampleResticSettings,
  create(uploader, settings) {
    parseSettings(resticSettingsSchema, settings, 'repository')
    return createResticRepository({ ...(settings as ResticSettings), uploader })
  },
}
