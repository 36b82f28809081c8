import { agentGuideHeading, encodeSegment, type Manifest } from '@backup-planet/core'
import { encryptedSuffix, identityFileName } from './archive-layout.ts'
import type { ArchiveFormat } from './archive-settings.ts'
import type { StoredArchive, StoredObject } from './archive-storage.ts'
import type { EncryptionNote } from './store-notes.ts'

export interface RestoreGuideRequest {
  readonly manifest: Omit<Manifest, 'storage'>
  readonly archives: readonly StoredArchive[]
  readonly names: StoredObject | undefined
  readonly encryption: EncryptionNote | undefined
  /** The agent's part: from files to a running application. */
  readonly restoreGuide: string
}

/** The secret key while the commands run; an item's folder never begins with a dot. */
const unlockedKey = 'restored/.key'

/** Folder of an item's files once they are unpacked. */
export function unpackedFolder(item: string): string {
  return `restored/${encodeSegment(item)}`
}

/**
 * Object and unpacked path of every file, in turn, each ended by NUL: names that no line of text could hold stay whole, and bash
 * reads them with `read -d ''`.
 */
export function namesBytes(archives: readonly StoredArchive[]): Buffer {
  return Buffer.from(
    archives.flatMap(({ key, item, files }) => [key, `${unpackedFolder(item)}/${files?.[0] ?? ''}`].map((text) => `${text}\0`)).join(''),
  )
}

/** `RESTORE.md`: this very backup, restored with nothing but published tools. */
export function restoreGuideText(request: RestoreGuideRequest): string {
  const { manifest, archives } = request
  const failed = manifest.items.filter((item) => item.failure !== undefined)
  return [
    `# Restore ${manifest.application} backup ${manifest.id} by hand`,
    `This ${manifest.kind} backup of ${inline(manifest.source.name)} (${inline(manifest.source.version)}) shows the data as of ${manifest.consistentAt}. It was taken for the job ${inline(manifest.job)}.`,
    ...(failed.length === 0
      ? []
      : [`**It is partial.** These items failed and are not in it: ${failed.map(({ item }) => inline(item)).join(', ')}.`]),
    `You need ${tools(request).join(', ')} and bash, and nothing of Backup Planet. Work in the folder that holds this file.`,
    '## What is here',
    objectTable(archives),
    '## 1. Check that every byte arrived',
    block([
      `sha256sum --check --quiet <<'END'`,
      ...[...archives, ...checkedBesides(request)].map(({ sha256, key }) => `${sha256}  ${key}`),
      'END',
    ]),
    '## 2. Unpack',
    ...keyParagraph(request),
    block(unpackCommands(request)),
    'Each item now has a folder below `restored`.',
    agentGuideHeading,
    request.restoreGuide.trim() === '' ? 'The application left no instructions.' : request.restoreGuide.trim(),
    '',
  ].join('\n\n')
}

function checkedBesides({ names, encryption }: RestoreGuideRequest): { readonly sha256: string; readonly key: string }[] {
  const { identity } = encryption ?? {}
  return [...(names === undefined ? [] : [names]), ...(identity === undefined ? [] : [{ ...identity, key: identityFileName }])]
}

function tools({ archives, encryption }: RestoreGuideRequest): string[] {
  const formats = new Set(archives.map((archive) => archive.format))
  const needed: string[] = []
  if (encryption !== undefined || archives.some((archive) => archive.encrypted)) needed.push('`age`')
  if (formats.has('tar.zst')) needed.push('`tar`', '`zstd`')
  if (formats.has('tar.gz')) needed.push('`tar`', '`gzip`')
  if (formats.has('zip')) needed.push('`unzip`')
  return [...new Set([...needed, '`sha256sum`'])]
}

function objectTable(archives: readonly StoredArchive[]): string {
  const shown = archives.slice(0, 1000)
  const rows = shown.map(({ key, item, size }) => `| \`${key}\` | ${inline(item)} | ${size} |`)
  const more = archives.length > shown.length ? [`| and ${archives.length - shown.length} more, see manifest.json | | |`] : []
  return ['| object | item | bytes |', '| --- | --- | ---: |', ...rows, ...more].join('\n')
}

function keyParagraph({ encryption, archives }: RestoreGuideRequest): string[] {
  if (encryption === undefined && !archives.some((archive) => archive.encrypted)) return []
  if (encryption?.identity !== undefined)
    return [
      `\`age\` asks once for the passphrase of this repository, which opens the secret key in \`${identityFileName}\`. The key lies in \`restored/.key\` meanwhile.`,
    ]
  return [
    'Put the secret key (a line that begins with `AGE-SECRET-KEY-1`) of one of the recipients into the file `key.txt`, or set `AGE_KEY` to its path.',
  ]
}

function unpackCommands(request: RestoreGuideRequest): string[] {
  const { archives, names, encryption } = request
  const byPassphrase = encryption?.identity !== undefined
  const decrypt = `age --decrypt --identity ${byPassphrase ? unlockedKey : `"\${AGE_KEY:-key.txt}"`}`
  const commands = ['set -euo pipefail', 'export LC_ALL=C.UTF-8']
  if (byPassphrase)
    commands.push(
      'mkdir -p restored',
      `trap 'rm -f ${unlockedKey}' EXIT`,
      `(umask 077; age --decrypt ${identityFileName} > ${unlockedKey})`,
    )
  for (const item of new Set(request.manifest.items.filter(({ failure }) => failure === undefined).map((entry) => entry.item))) {
    const folder = quoted(unpackedFolder(item))
    commands.push(`mkdir -p ${folder}`)
    const ofItem = archives.filter((archive) => archive.item === item && archive.format !== 'files')
    for (const group of groups(ofItem)) commands.push(...unpackGroup(group, folder, decrypt))
  }
  if (names !== undefined) commands.push(...copyByNames(archives, names, decrypt))
  if (byPassphrase) commands.push(`rm ${unlockedKey}`)
  return commands
}

/** Volumes that need the same command, in order. */
function groups(archives: readonly StoredArchive[]): { format: ArchiveFormat; encrypted: boolean; keys: string[] }[] {
  const found: { format: ArchiveFormat; encrypted: boolean; keys: string[] }[] = []
  for (const { format, encrypted, key } of archives) {
    const last = found.at(-1)
    if (last?.format === format && last.encrypted === encrypted) last.keys.push(key)
    else found.push({ format, encrypted, keys: [key] })
  }
  return found
}

function unpackGroup(
  group: { format: ArchiveFormat; encrypted: boolean; keys: readonly string[] },
  folder: string,
  decrypt: string,
): string[] {
  const [only] = group.keys
  const command = (archive: string) => unpackOne(group.format, group.encrypted, archive, folder, decrypt)
  if (group.keys.length === 1 && only !== undefined) return command(quoted(only))
  return [
    'for archive in \\',
    ...group.keys.map((key, index) => `  ${quoted(key)}${index === group.keys.length - 1 ? '' : ' \\'}`),
    'do',
    ...command('"$archive"').map((line) => `  ${line}`),
    'done',
  ]
}

function unpackOne(format: ArchiveFormat, encrypted: boolean, archive: string, folder: string, decrypt: string): string[] {
  if (format === 'zip') {
    if (!encrypted) return [`unzip -q -o ${archive} -d ${folder}`]
    return [`${decrypt} ${archive} > restored/archive.zip`, `unzip -q -o restored/archive.zip -d ${folder}`, 'rm restored/archive.zip']
  }
  const compression = format === 'tar.zst' ? '--zstd' : '--gzip'
  return encrypted
    ? [`${decrypt} ${archive} | tar --extract ${compression} --file - --directory ${folder}`]
    : [`tar --extract ${compression} --file ${archive} --directory ${folder}`]
}

/** Decrypts into a redirection, since `age --output` creates no file for empty content. */
function copyByNames(archives: readonly StoredArchive[], names: StoredObject, decrypt: string): string[] {
  const encryptedNames = names.key.endsWith(encryptedSuffix)
  const copy = archives.some((archive) => archive.format === 'files' && archive.encrypted)
    ? [`  case "$object" in`, `    *${encryptedSuffix}) ${decrypt} "$object" > "$path" ;;`, '    *) cp "$object" "$path" ;;', '  esac']
    : ['  cp "$object" "$path"']
  return [
    ...(encryptedNames ? [`${decrypt} ${names.key} > restored/.names`] : []),
    `while IFS= read -r -d '' object && IFS= read -r -d '' path; do`,
    '  mkdir -p "$(dirname "$path")"',
    ...copy,
    `done < ${encryptedNames ? 'restored/.names' : names.key}`,
    ...(encryptedNames ? ['rm restored/.names'] : []),
  ]
}

function block(lines: readonly string[]): string {
  return ['```bash', ...lines, '```'].join('\n')
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_./%-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Text from elsewhere as inline code that cannot end its paragraph, its table cell or the code. */
function inline(text: string): string {
  const plain = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('`', "'").replaceAll('|', '\\|')
  return `\`${plain}\``
}
