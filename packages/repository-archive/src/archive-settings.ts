import { tmpdir } from 'node:os'
import { isAbsolute } from 'node:path'
import { parseSettings } from '@backup-planet/core'
import { Decrypter, Encrypter } from 'age-encryption'
import * as z from 'zod'

export const archiveFormats = ['tar.zst', 'tar.gz', 'zip', 'files'] as const

/** How the files of an item are packed. `files` packs nothing: one object a file. */
export type ArchiveFormat = (typeof archiveFormats)[number]

/** Who can read what is stored: everybody who holds an identity of a recipient, or who knows the passphrase. */
export type ArchiveEncryption =
  | { readonly recipients: readonly string[] }
  | {
      readonly passphrase: string
      /** Base-2 logarithm of scrypt's cost for new identity files: 18 when left out, as the `age` program uses it, which takes a second and 256 MiB. */
      readonly workFactor?: number | undefined
    }

export interface ArchiveSettings {
  /** `tar.zst` when left out. */
  readonly format?: ArchiveFormat | undefined
  /** An item larger than this becomes several archives of about this many bytes before compression; 1 GiB when left out. */
  readonly volumeBytes?: number | undefined
  /** 1 to 19 for `tar.zst`, 1 to 9 for `tar.gz` and `zip`; 3, 6 and 6 when left out. */
  readonly compressionLevel?: number | undefined
  /** Nothing is encrypted when left out. */
  readonly encryption?: { readonly recipients?: readonly string[]; readonly passphrase?: string; readonly workFactor?: number } | undefined
  /** `AGE-SECRET-KEY-1…`, or the text of a key file; needed only to read. */
  readonly identities?: readonly string[] | undefined
  /**
   * Absolute path of a directory that is there, with room for one archive: a zip that is encrypted, or lies where ranges cannot be
   * read, is read from a local copy. The system's directory for temporary files when left out.
   */
  readonly temporaryDirectory?: string | undefined
}

export interface ResolvedArchiveSettings {
  readonly format: ArchiveFormat
  readonly volumeBytes: number
  readonly compressionLevel: number
  readonly encryption: ArchiveEncryption | undefined
  readonly identities: readonly string[]
  readonly temporaryDirectory: string
}

const defaultLevels = { 'tar.zst': 3, 'tar.gz': 6, zip: 6, files: 0 } as const
const highestLevels = { 'tar.zst': 19, 'tar.gz': 9, zip: 9, files: 0 } as const

const recipient = z.string().refine(accepted(isRecipient), { message: 'not an age recipient; one begins with "age1"' })
const identities = z.string().refine(accepted(isIdentityText), { message: 'not an age identity; one begins with "AGE-SECRET-KEY-1"' })

const encryptionSchema = z
  .strictObject({
    recipients: z.array(recipient).min(1, 'name at least one recipient').optional(),
    passphrase: z.string().min(1, 'must not be empty').optional(),
    workFactor: z.int().min(8).max(20).optional(),
  })
  .superRefine((value, context) => {
    if ((value.recipients === undefined) === (value.passphrase === undefined)) {
      context.addIssue({ code: 'custom', message: 'give either recipients or a passphrase' })
    } else if (value.workFactor !== undefined && value.passphrase === undefined) {
      context.addIssue({ code: 'custom', path: ['workFactor'], message: 'has a meaning only beside a passphrase' })
    }
  })

export const archiveSettingsSchema = z
  .strictObject({
    format: z.enum(archiveFormats).default('tar.zst'),
    volumeBytes: z
      .int()
      .positive()
      .default(2 ** 30),
    compressionLevel: z.int().min(1).optional(),
    encryption: encryptionSchema.optional(),
    identities: z.array(identities).default([]),
    temporaryDirectory: z.string().refine(isAbsolute, 'must be an absolute path').optional(),
  })
  .superRefine((value, context) => {
    if (value.compressionLevel === undefined || value.compressionLevel <= highestLevels[value.format]) return
    const message =
      value.format === 'files' ? 'has no meaning for the format files, which compresses nothing' : `at most ${highestLevels[value.format]}`
    context.addIssue({ code: 'custom', path: ['compressionLevel'], message })
  })

/** Throws `INVALID_SETTINGS` that names every problem at once and shows no value. */
export function resolveArchiveSettings(settings: unknown): ResolvedArchiveSettings {
  const parsed = parseSettings(archiveSettingsSchema, settings, 'repository')
  return {
    format: parsed.format,
    volumeBytes: parsed.volumeBytes,
    compressionLevel: parsed.compressionLevel ?? defaultLevels[parsed.format],
    encryption: resolveEncryption(parsed.encryption),
    identities: parsed.identities.flatMap(identityLines),
    temporaryDirectory: parsed.temporaryDirectory ?? tmpdir(),
  }
}

export const exampleArchiveSettings = `format: tar.zst                 # or tar.gz, zip, files (one object a file)
# volumeBytes: 1073741824       # larger items become several archives of about this size
# compressionLevel: 3           # 1 (fast) to 19 (small); 1 to 9 for tar.gz and zip
# encryption:                   # age, see https://age-encryption.org; nothing is encrypted without it
#   recipients:                 # public keys of those who may read; create one with: age-keygen -o key.txt
#     - age1…
#   # passphrase: "\${file:/etc/backup-planet/passphrase}"   # instead of recipients
# identities:                   # secret keys, needed only where backups are read
#   - "\${file:/etc/backup-planet/key.txt}"
# temporaryDirectory: /var/tmp  # for reading encrypted zips: room for one archive
`

function resolveEncryption(encryption: z.output<typeof encryptionSchema> | undefined): ArchiveEncryption | undefined {
  if (encryption?.passphrase !== undefined) return { passphrase: encryption.passphrase, workFactor: encryption.workFactor }
  if (encryption?.recipients !== undefined) return { recipients: encryption.recipients }
  return undefined
}

/** The secret keys in a key file as `age-keygen` writes it, or in a single line. */
export function identityLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function isRecipient(text: string): void {
  new Encrypter().addRecipient(text)
}

function isIdentityText(text: string): void {
  const lines = identityLines(text)
  if (lines.length === 0) throw new TypeError('no identity')
  for (const line of lines) new Decrypter().addIdentity(line)
}

function accepted(check: (text: string) => void): (text: string) => boolean {
  return (text) => {
    try {
      check(text)
      return true
    } catch {
      return false
    }
  }
}
