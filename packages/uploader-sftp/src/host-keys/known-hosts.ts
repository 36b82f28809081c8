import { createHmac, timingSafeEqual } from 'node:crypto'

/** One line of a known_hosts file: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  readonly marker: 'revoked' | 'cert-authority' | undefined
  /** Names as they stand in the file: patterns, or one hashed name. */
  readonly names: readonly string[]
  /** Such as `ssh-ed25519`. */
  readonly type: string
  /** As it comes over the wire: RFC 4253, 6.6. */
  readonly key: Buffer
}

export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked' | 'authority-only'

/** Lines that are no entries are left out, as ssh does. */
export function parseKnownHosts(text: string): KnownHost[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const words = line.trim().split(/[ \t]+/)
    const marker = words[0]?.startsWith('@') ? words.shift()?.slice(1) : undefined
    const [names = '', type = '', encoded = ''] = words
    if (names === '' || names.startsWith('#') || (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority')) return []
    const key = Buffer.from(encoded, 'base64')
    return type !== '' && keyTypeOf(key) === type ? [{ marker, names: names.split(','), type, key }] : []
  })
}

/** The name of the kind that a public key begins with; empty where there is none. */
export function keyTypeOf(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0
  return length > 0 && length <= key.length - 4 ? key.toString('latin1', 4, 4 + length) : ''
}

/** What a file of known hosts says of the key that a server has shown. A revoked key is refused whatever other lines say. */
export function judgeHostKey(entries: readonly KnownHost[], host: string, port: number, key: Buffer): HostKeyVerdict {
  const about = entriesAbout(entries, host, port)
  if (about.some((entry) => entry.marker === 'revoked' && entry.key.equals(key))) return 'revoked'
  const plain = about.filter((entry) => entry.marker === undefined)
  if (plain.some((entry) => entry.key.equals(key))) return 'known'
  if (plain.length > 0) return 'changed'
  return about.some((entry) => entry.marker === 'cert-authority') ? 'authority-only' : 'unknown'
}

/** Kinds of keys that are known of a host: to be asked for before all others, or a server with several shows one that is not known. */
export function knownKeyTypes(entries: readonly KnownHost[], host: string, port: number): string[] {
  return [
    ...new Set(
      entriesAbout(entries, host, port)
        .filter(({ marker }) => marker === undefined)
        .map(({ type }) => type),
    ),
  ]
}

/** Entries for `[host]:port`; where there is none of a port other than 22, those for the host alone, as ssh does. */
function entriesAbout(entries: readonly KnownHost[], host: string, port: number): KnownHost[] {
  const name = host.toLowerCase()
  const named = (wanted: string) => entries.filter((entry) => namesMatch(entry.names, wanted))
  if (port === 22) return named(name)
  const exact = named(`[${name}]:${port}`)
  const isKnown = exact.some((entry) => entry.marker === undefined)
  return [...exact, ...named(name).filter((entry) => !isKnown || entry.marker === 'revoked')]
}

function namesMatch(names: readonly string[], wanted: string): boolean {
  let matches = false
  for (const name of names) {
    const negated = name.startsWith('!')
    if (!nameMatches(negated ? name.slice(1) : name, wanted)) continue
    if (negated) return false
    matches = true
  }
  return matches
}

function nameMatches(name: string, wanted: string): boolean {
  if (name.startsWith('|')) return hashMatches(name, wanted)
  const pattern = name.toLowerCase().replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(wanted)
}

/** `|1|salt|hash`: HMAC-SHA1 of the name under the salt, as ssh-keygen -H writes it. */
function hashMatches(name: string, wanted: string): boolean {
  const [, version, salt = '', hash = ''] = name.split('|')
  if (version !== '1') return false
  const expected = Buffer.from(hash, 'base64')
  const found = createHmac('sha1', Buffer.from(salt, 'base64')).update(wanted).digest()
  return expected.length === found.length && timingSafeEqual(expected, found)
}
