import { parseSettings } from '@backup-planet/core'
import * as z from 'zod'

/** What a server asks to be typed, one answer for each prompt: RFC 4256, 3.2. */
export interface KeyboardQuestion {
  readonly name: string
  readonly instructions: string
  readonly prompts: readonly { readonly prompt: string; readonly echo: boolean }[]
}

/** How one server is reached, told from others, and logged in to. */
export interface SshServerSettings {
  /** A name, an address, or with `sshConfig` an alias. */
  readonly host: string
  /** 22 when left out. */
  readonly port?: number | undefined
  /** The user that runs this when left out, as with ssh. */
  readonly user?: string | undefined
  readonly password?: string | undefined
  /** A private key as text, in the format of OpenSSH or PEM. */
  readonly privateKey?: string | undefined
  /** Absolute path, or `~/…`. The keys that ssh takes from `~/.ssh` when neither this, a key, a password nor an agent is given. */
  readonly privateKeyFile?: string | undefined
  readonly passphrase?: string | undefined
  /** The socket of an agent, or whether the one in `SSH_AUTH_SOCK` is asked: by default where there is one and nothing else is given. */
  readonly agent?: string | boolean | undefined
  /** Answers what the server asks; `true` answers every hidden question with the password, as happens by itself where there is one. */
  readonly keyboardInteractive?: boolean | ((question: KeyboardQuestion) => Promise<readonly string[]> | readonly string[]) | undefined
  /** `~/.ssh/known_hosts` and that of the system when left out. A server that is in none is refused. */
  readonly knownHostsFile?: string | undefined
  /** `SHA256:…` as ssh-keygen -l prints it; then no file is looked into. */
  readonly hostKeyFingerprint?: string | readonly string[] | undefined
}

export interface SftpSettings extends SshServerSettings {
  /** Absolute, or relative to where the server puts its users. */
  readonly path: string
  /** Servers on the way, the first one first. */
  readonly jump?: SshServerSettings | readonly SshServerSettings[] | undefined
  /** Whether `~/.ssh/config`, or the file of this path, is asked about `host`. */
  readonly sshConfig?: boolean | string | undefined
  /** How many connections at most; 2 when left out. Each takes several transfers. */
  readonly connections?: number | undefined
  /** Requests under way on a connection: 64 when left out, 1 for servers that take one after the other only. */
  readonly requests?: number | undefined
  /**
   * How an object is verified beside its size after it was sent: not at all (`size`), by its SHA-256 as the server computes it and read back
   * where it does not (`checksum`), or read back always (`readback`). `size` when left out: what is on the way is protected by SSH itself.
   */
  readonly verify?: 'size' | 'checksum' | 'readback' | undefined
  /** Whether the first upload creates `path`; `true` when left out. */
  readonly createDirectory?: boolean | undefined
  /**
   * When a part that the next upload of the same content goes on with counts as abandoned and is removed: 604 800, a week, when left out.
   * An hour at least. Other parts are of no use to anybody, and are removed after an hour.
   */
  readonly abandonedAfterSeconds?: number | undefined
  /** 20 when left out. */
  readonly connectTimeoutSeconds?: number | undefined
  /** A connection that answers nothing for three times as long is given up; 10 when left out. */
  readonly keepaliveSeconds?: number | undefined
}

const fingerprint = z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}$/, 'must be SHA256: and 43 characters, as ssh-keygen -l prints it')

/** Absolute, or from the user's home. */
const localPath = z.string().regex(/^(\/|~[/\\]|[A-Za-z]:[/\\])/, 'must be an absolute path, or begin with ~/')

const serverShape = {
  host: z
    .string()
    .min(1, 'must not be empty')
    .regex(/^[^\s/@-][^\s/@]*$/, 'must be a host name or an address'),
  port: z.int().min(1).max(65_535).optional(),
  user: z.string().min(1, 'must not be empty').optional(),
  password: z.string().min(1, 'must not be empty').optional(),
  privateKey: z.string().min(1, 'must not be empty').optional(),
  privateKeyFile: localPath.optional(),
  passphrase: z.string().min(1, 'must not be empty').optional(),
  agent: z.union([z.boolean(), z.string().min(1, 'must not be empty')]).optional(),
  keyboardInteractive: z
    .union([z.boolean(), z.custom<(question: KeyboardQuestion) => Promise<readonly string[]>>((value) => typeof value === 'function')])
    .optional(),
  knownHostsFile: localPath.optional(),
  hostKeyFingerprint: z.union([fingerprint, z.array(fingerprint).min(1)]).optional(),
}

const serverSchema = z.strictObject(serverShape)

const { host: _host, ...ownShape } = serverShape

const placeShape = {
  ...ownShape,
  jump: z.union([serverSchema, z.array(serverSchema).min(1)]).optional(),
  sshConfig: z.union([z.boolean(), localPath]).optional(),
  connections: z.int().min(1).max(16).default(2),
  requests: z.int().min(1).max(512).default(64),
  verify: z.enum(['size', 'checksum', 'readback']).default('size'),
  createDirectory: z.boolean().default(true),
  abandonedAfterSeconds: z
    .int()
    .min(3600)
    .default(7 * 24 * 3600),
  connectTimeoutSeconds: z.number().min(1).max(600).default(20),
  keepaliveSeconds: z.number().min(1).max(600).default(10),
}

export const sftpSettingsSchema = z.strictObject({
  ...placeShape,
  host: serverShape.host,
  path: z
    .string()
    .min(1, 'must not be empty')
    .refine((path) => !path.includes('\0'), 'must not contain NUL')
    .refine((path) => !path.split('/').includes('..'), 'must not contain ..'),
})

/** What stands beside a destination, which has host, port, user and path. */
export const sftpPluginSettingsSchema = z.strictObject(placeShape).omit({ port: true, user: true })

export type ResolvedSftpSettings = z.output<typeof sftpSettingsSchema>

/** Throws `INVALID_SETTINGS` that names every problem at once and shows no value. */
export function resolveSftpSettings(settings: unknown): ResolvedSftpSettings {
  return parseSettings(sftpSettingsSchema, settings, 'uploader settings')
}
