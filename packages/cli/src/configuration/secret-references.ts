import { readFile, stat } from 'node:fs/promises'
import { BackupError, nearest } from '@backup-planet/core'
import type { SecretMask } from './secret-mask.ts'

/** `${env:NAME}` or `${file:/path}`; a doubled dollar sign keeps the text as it is. */
const reference = /(\$?)\$\{([A-Za-z]+):([^}]*)\}/g

const referenceKinds = ['env', 'file'] as const

/** Keys whose value is printed on purpose, so that it is not hidden even when it comes from a reference. */
const openKeys: ReadonlySet<string> = new Set(['host', 'port', 'user', 'socket', 'socketPath', 'directory', 'region', 'endpoint'])

const secretKey = /pass(word|phrase)?$|secret|token|privateKey|accessKey|credential|identit(y|ies)$/i

/** Keys of age and PEM, secret wherever they stand. */
const secretText = /AGE-SECRET-KEY-1|-----BEGIN [A-Z ]*PRIVATE KEY-----/

export interface SecretSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly mask: SecretMask
  /** Called for a secret file that others can read. */
  readonly warn: (text: string) => void
}

/** What is wrong with the references inside `text`, without following them; empty when nothing is. */
export function referenceProblems(text: string): readonly string[] {
  const problems: string[] = []
  for (const [whole, escaped, kind = '', name = ''] of text.matchAll(reference)) {
    if (escaped === '$') continue
    if (!(referenceKinds as readonly string[]).includes(kind)) {
      const closest = nearest(kind, referenceKinds)
      const suggestion = closest === undefined ? `known are \${env:NAME} and \${file:/path}` : `did you mean "\${${closest}:…}"?`
      problems.push(`unknown reference "\${${kind}:…}", ${suggestion}`)
    } else if (name.trim() === '') problems.push(`"${whole}" names nothing`)
  }
  return problems
}

/** Whether any part of a text is a reference. */
export function holdsReference(value: unknown): boolean {
  return typeof value === 'string' && [...value.matchAll(reference)].some(([, escaped]) => escaped !== '$')
}

/** Environment variables that a value names by `${env:…}` and that hold secrets, by their names or by the key they stand under. */
export function referencedSecretVariables(value: unknown, key = ''): readonly string[] {
  if (typeof value === 'string') {
    return [...value.matchAll(reference)].flatMap(([, escaped, kind, name = '']) =>
      escaped !== '$' && kind === 'env' && (secretKey.test(key) || secretKey.test(name)) ? [name] : [],
    )
  }
  if (Array.isArray(value)) return value.flatMap((entry) => referencedSecretVariables(entry, key))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, entry]) => referencedSecretVariables(entry, name))
}

/**
 * `value` with every reference in it followed, and every secret found remembered for masking. Called where a value is
 * used and not before, so that a job never needs the secrets of another one.
 * Throws `INVALID_SETTINGS` for a variable that is not set and a file that cannot be read.
 *
 * @param place printable, such as `backup-planet.yaml:7:5: jobs.shop.settings`
 */
export async function resolveSecrets(value: unknown, place: string, sources: SecretSources, key = ''): Promise<unknown> {
  if (typeof value === 'string') return resolveText(value, place, sources, key)
  if (Array.isArray(value)) {
    const entries: unknown[] = []
    for (const [index, entry] of value.entries()) entries.push(await resolveSecrets(entry, `${place}[${index}]`, sources, key))
    return entries
  }
  if (typeof value !== 'object' || value === null) return value
  const entries: [string, unknown][] = []
  for (const [name, entry] of Object.entries(value)) entries.push([name, await resolveSecrets(entry, `${place}.${name}`, sources, name)])
  return Object.fromEntries(entries)
}

async function resolveText(text: string, place: string, sources: SecretSources, key: string): Promise<string> {
  let resolved = ''
  let end = 0
  for (const found of text.matchAll(reference)) {
    const [whole, escaped, kind, name = ''] = found
    resolved += text.slice(end, found.index)
    end = found.index + whole.length
    if (escaped === '$') resolved += whole.slice(1)
    else {
      const secret = kind === 'env' ? fromEnvironment(name, place, sources) : await fromFile(name, place, sources)
      if (kind === 'file' || !openKeys.has(key)) sources.mask.remember(secret)
      resolved += secret
    }
  }
  resolved += text.slice(end)
  if (secretKey.test(key) || secretText.test(resolved)) sources.mask.remember(resolved)
  rememberUrlPassword(resolved, sources.mask)
  return resolved
}

function fromEnvironment(name: string, place: string, { environment }: SecretSources): string {
  const value = environment[name]
  if (value !== undefined) return value
  throw new BackupError(`${place}: the environment variable ${name} is not set`, {
    code: 'INVALID_SETTINGS',
    hint: `Set ${name} in the environment that backup-planet runs in, or use \${file:/path} to read the value from a file.`,
  })
}

async function fromFile(path: string, place: string, { warn }: SecretSources): Promise<string> {
  try {
    const [text, { mode }] = await Promise.all([readFile(path, 'utf8'), stat(path)])
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      warn(`others can read the secret file ${path} (mode ${(mode & 0o777).toString(8)}); run: chmod 600 ${path}`)
    }
    return text.replace(/\r?\n$/, '')
  } catch (error) {
    throw new BackupError(
      `${place}: the secret file ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      {
        code: 'INVALID_SETTINGS',
        hint: `Create ${path} with the secret as its only content, readable by the user that runs backup-planet and nobody else.`,
      },
    )
  }
}

/** `scheme://user:password@host` is a secret within a text that otherwise is none. */
function rememberUrlPassword(text: string, mask: SecretMask): void {
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^/@:]*:([^@]+)@/i.exec(text)?.[1]
  if (password === undefined) return
  mask.remember(password)
  try {
    mask.remember(decodeURIComponent(password))
  } catch {
    // not percent-encoded: the text itself is remembered
  }
}

/** Paths of plain secrets in a value: what makes the configuration file itself worth protecting. */
export function plainSecretPaths(value: unknown, path = '', key = ''): readonly string[] {
  if (typeof value === 'string') return isPlainSecret(value, key) ? [path] : []
  if (Array.isArray(value)) return value.flatMap((entry, index) => plainSecretPaths(entry, `${path}[${index}]`, key))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, entry]) => plainSecretPaths(entry, path === '' ? name : `${path}.${name}`, name))
}

/** A text that is not only references, under a key that promises a secret or with a secret key in it. */
function isPlainSecret(text: string, key: string): boolean {
  if (text.replaceAll(reference, '') === '') return false
  return secretText.test(text) || (secretKey.test(key) && !/file$/i.test(key))
}
