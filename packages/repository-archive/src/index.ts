export { plugin } from './archive-plugin.ts'
export { createArchiveRepository } from './archive-repository.ts'
export type { ArchiveEncryption, ArchiveFormat, ArchiveSettings } from './archive-settings.ts'
