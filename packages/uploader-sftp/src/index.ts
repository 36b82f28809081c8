export { parseSftpDestination, printSftpDestination, type SftpPlace } from './sftp-destination.ts'
export { plugin } from './sftp-plugin.ts'
export type { KeyboardQuestion, SftpSettings, SshServerSettings } from './sftp-settings.ts'
export { createSftpUploader, type SftpUploader } from './sftp-uploader.ts'
