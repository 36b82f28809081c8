import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { BackupError, createEvidenceKey, evidenceKeyId, publicKeyOf } from '@backup-planet/core'
import { UsageError } from '../usage-error.ts'

/** The key that signs records of drills, as PEM. */
export interface EvidenceKey {
  readonly privateKey: string
  /** Where it was made just now, since there was none. */
  readonly createdIn?: string
}

/** The key in a file of mode 0600, which is made with the first drill. */
export async function evidenceKeyIn(file: string, warn: (text: string) => void): Promise<EvidenceKey> {
  const found = await readEvidenceKey(file, warn)
  if (found !== undefined) return { privateKey: found }
  const { privateKey } = createEvidenceKey()
  if (await writeEvidenceKey(file, privateKey)) return { privateKey, createdIn: file }
  // Another process was first.
  return { privateKey: (await readEvidenceKey(file, warn)) ?? privateKey }
}

/** `undefined` where there is no such file. Throws `ACCESS_DENIED`. */
export async function readEvidenceKey(file: string, warn: (text: string) => void): Promise<string | undefined> {
  try {
    const [text, { mode }] = await Promise.all([readFile(file, 'utf8'), stat(file)])
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      warn(`others can read ${file} (mode ${(mode & 0o777).toString(8)}), and make records of drills with it; run: chmod 600 ${file}`)
    }
    return text
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw notPossible(`the key file ${file} cannot be read`, code, error)
  }
}

/** Writes a new key at once and whole. Returns false, and has changed nothing, where there is a file of this name. */
export async function writeEvidenceKey(file: string, privateKey: string): Promise<boolean> {
  const next = join(dirname(file), `.evidence-${randomBytes(6).toString('hex')}`)
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await using written = await open(next, 'wx', 0o600)
    await written.writeFile(privateKey)
    await written.sync()
    await link(next, file)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    throw notPossible(`the key file ${file} cannot be written`, code, error)
  } finally {
    await rm(next, { force: true })
  }
}

/** What `--public-key` names: a public key, or a private one of which it is the half. Throws a `UsageError` where it cannot be read, `INVALID_SETTINGS` where it is none. */
export async function publicKeyIn(file: string): Promise<string> {
  const text = await readFile(resolve(file), 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw new UsageError(
      `--public-key ${file} cannot be read (${code ?? 'unknown reason'})`,
      'Give the file with the public key that was printed when the key was made.',
    )
  })
  const key = /PRIVATE KEY-----/.test(text) ? publicKeyOf(text) : text
  evidenceKeyId(key)
  return key
}

function notPossible(what: string, code: string | undefined, cause: unknown): BackupError {
  return new BackupError(`${what} (${code ?? 'unknown reason'})`, {
    code: code === 'ENOSPC' || code === 'EDQUOT' ? 'OUT_OF_SPACE' : 'ACCESS_DENIED',
    hint: 'Let the user that runs drills own the file and the folder that it lies in, or name another file under "evidence".',
    cause,
  })
}
