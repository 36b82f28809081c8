import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { BackupError } from '@backup-planet/core'
import { type HostKeyVerdict, judgeHostKey, type KnownHost, keyTypeOf, knownKeyTypes, parseKnownHosts } from './known-hosts.ts'

/** What a server's key is compared with: pinned fingerprints where there are any, else files of known hosts. */
export interface HostKeyTrust {
  readonly fingerprints: readonly string[]
  readonly knownHostsFiles: readonly string[]
}

export interface HostKeyCheck {
  /** Kinds of keys in the order in which they are asked for. */
  readonly algorithms: readonly string[]
  /** `undefined` where the key is the one that is expected. */
  refuse(key: Buffer): BackupError | undefined
}

/** In the order of ssh_config(5), HostKeyAlgorithms, without SHA-1 and without what cannot be verified here. */
const algorithms = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const

/** `SHA256:` and base64 without padding, as ssh-keygen -l prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** Reads the files of known hosts; one that does not exist knows nobody. */
export async function hostKeyCheck(host: string, port: number, { fingerprints, knownHostsFiles }: HostKeyTrust): Promise<HostKeyCheck> {
  if (fingerprints.length > 0) {
    return {
      algorithms,
      refuse: (key) => (fingerprints.includes(fingerprintOf(key)) ? undefined : wrongFingerprint(host, port, key, fingerprints)),
    }
  }
  const entries = (await Promise.all(knownHostsFiles.map(entriesOf))).flat()
  const types = knownKeyTypes(entries, host, port)
  const known = algorithms.filter((algorithm) => types.includes(typeOfAlgorithm(algorithm)))
  return {
    algorithms: [...known, ...algorithms.filter((algorithm) => !known.includes(algorithm))],
    refuse: (key) => refusal(judgeHostKey(entries, host, port, key), host, port, key, knownHostsFiles),
  }
}

/** The algorithms that make a server show another kind of key than this one. */
export function algorithmsWithout(list: readonly string[], key: Buffer): string[] {
  const type = keyTypeOf(key)
  return list.filter((algorithm) => typeOfAlgorithm(algorithm) !== type)
}

function typeOfAlgorithm(algorithm: string): string {
  return algorithm.startsWith('rsa-sha2-') ? 'ssh-rsa' : algorithm
}

async function entriesOf(file: string): Promise<KnownHost[]> {
  try {
    return parseKnownHosts(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new BackupError(`${file} cannot be read: ${(error as Error).message}`, {
      code: 'INVALID_SETTINGS',
      hint: 'Let the user that runs backups read this file of known hosts, or name another one with knownHostsFile.',
      cause: error,
    })
  }
}

function refusal(verdict: HostKeyVerdict, host: string, port: number, key: Buffer, files: readonly string[]): BackupError | undefined {
  if (verdict === 'known') return undefined
  const shown = `${at(host, port)} shows the host key ${fingerprintOf(key)} (${keyTypeOf(key)})`
  const where = files.join(' or ') || 'any file'
  switch (verdict) {
    case 'unknown':
      return refused(
        `${shown}, which is not in ${where}`,
        `Ask whoever runs the server for its fingerprint. If it is this one, set hostKeyFingerprint to it, or add the key with: ssh-keyscan -p ${port} ${host} >> ${files[0] ?? '~/.ssh/known_hosts'}`,
      )
    case 'changed':
      return refused(
        `${shown}, and ${where} holds another one for it`,
        `Somebody may be between you and the server. Ask whoever runs it; only if its key was really changed, remove the old one with: ssh-keygen -R ${port === 22 ? host : `'[${host}]:${port}'`}`,
      )
    case 'revoked':
      return refused(
        `${shown}, which is marked @revoked in ${where}`,
        'Do not use this server until whoever runs it has given it a new key.',
      )
    case 'authority-only':
      return refused(
        `${shown}, and ${where} has only a @cert-authority for it`,
        'Host certificates are not supported: set hostKeyFingerprint, or add the plain key of the server to the file.',
      )
  }
}

function wrongFingerprint(host: string, port: number, key: Buffer, expected: readonly string[]): BackupError {
  return refused(
    `${at(host, port)} shows the host key ${fingerprintOf(key)} (${keyTypeOf(key)}), and hostKeyFingerprint is ${expected.join(' or ')}`,
    'Somebody may be between you and the server. Ask whoever runs it for its fingerprint, and correct hostKeyFingerprint only if that is this one.',
  )
}

function at(host: string, port: number): string {
  return port === 22 ? host : `${host}:${port}`
}

function refused(message: string, hint: string): BackupError {
  return new BackupError(message, { code: 'WRONG_CREDENTIALS', hint })
}
