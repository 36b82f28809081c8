import { readFile } from 'node:fs/promises'
import { getCACertificates } from 'node:tls'
import { BackupError } from '@backup-planet/core'

/** Options for TLS that trust the authorities of a file beside those of the system. Throws `INVALID_SETTINGS` when it cannot be read. */
export async function trustedAuthorities(caFile: string | undefined): Promise<{ readonly ca?: string[] }> {
  if (caFile === undefined) return {}
  try {
    return { ca: [...getCACertificates(), await readFile(caFile, 'utf8')] }
  } catch (error) {
    throw new BackupError(
      `the file of authorities ${caFile} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      {
        code: 'INVALID_SETTINGS',
        hint: `Correct caFile, or let the user that runs this read ${caFile}.`,
        cause: error,
      },
    )
  }
}
