import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import type { UploaderPlugin } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { parseSettings } from '../settings/parse-settings.ts'
import { createDirectoryUploader } from './directory-uploader.ts'

const schema = z.strictObject({ createDirectory: z.boolean().optional() })

/** Directories by URL, after RFC 8089: `file:///absolute/path`, percent-encoded where needed. */
export const directoryUploaderPlugin: UploaderPlugin = {
  contract: 'uploader-plugin/1',
  schemes: ['file'],
  exampleDestination: 'file:///var/backups/backup-planet',
  create(destination, settings) {
    const { createDirectory } = parseSettings(schema, settings, 'uploader settings')
    const directory = directoryOf(destination)
    return createDirectoryUploader(createDirectory === undefined ? { directory } : { directory, createDirectory })
  },
}

function directoryOf(destination: string): string {
  if (!/^file:\/\//i.test(destination)) throw refused(destination, 'it does not begin with file://')
  if (!/^file:\/\/\//i.test(destination)) throw refused(destination, 'it names a host or a relative path')
  if (/[?#]/.test(destination)) throw refused(destination, '? and # must be written as %3F and %23')
  if (/%00/.test(destination)) throw refused(destination, 'it contains NUL')
  if (/(^|[/\\]|%2f|%5c)(\.|%2e){1,2}([/\\]|%2f|%5c|$)/i.test(destination)) throw refused(destination, 'it contains . or ..')
  try {
    return fileURLToPath(destination)
  } catch (error) {
    throw refused(destination, error instanceof Error ? error.message.toLowerCase() : 'it is no URL', error)
  }
}

function refused(destination: string, reason: string, cause?: unknown): BackupError {
  return new BackupError(`destination ${JSON.stringify(destination)} cannot be used: ${reason}`, {
    code: 'INVALID_SETTINGS',
    hint: 'Write the absolute path of the directory after file://, such as file:///var/backups/backup-planet (on Windows file:///D:/backups).',
    cause,
  })
}
