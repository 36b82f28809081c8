import { parseSettings, type RepositoryPlugin } from '@backup-planet/core'
import { createArchiveRepository } from './archive-repository.ts'
import { type ArchiveSettings, archiveSettingsSchema, exampleArchiveSettings } from './archive-settings.ts'

export const plugin: RepositoryPlugin = {
  contract: 'repository-plugin/1',
  kind: 'archive',
  exampleSettings: exampleArchiveSettings,
  create(uploader, settings) {
    parseSettings(archiveSettingsSchema, settings, 'repository')
    return createArchiveRepository({ ...(settings as ArchiveSettings), uploader })
  },
}
