import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, link, lstat, lutimes, mkdir, open, readdir, readlink, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { oddNames } from '@backup-planet/core/conformance'
import { expect } from 'vitest'

const run = promisify(execFile)

/** A file, folder or link as it lies on the disk; of a link, the mode means nothing. */
export interface TreeEntry {
  readonly type: string
  readonly mode: number | undefined
  readonly size: number
  /** SHA-256 of a file, target of a link. */
  readonly content: string
  /** Nanoseconds since 1970. */
  readonly modifiedAt: bigint
}

/** By path below the root, in Latin-1: each byte of a name is one character. */
export type FolderTree = ReadonlyMap<string, TreeEntry>

/** Names that are hard to quote, to sort, to print, or to keep: as bytes, since not all of them are UTF-8. */
export const hardNames: readonly Buffer[] = [
  ...oddNames.map((name) => Buffer.from(name)),
  ...[
    'back\\slash',
    '\\x41',
    '\\',
    '\\\\',
    "'",
    '"',
    '\\"',
    'a\\nb',
    'a\nb\r\n',
    '\u0001\u007f',
    '\u0085\u00ad',
    '<>&\u2028\u2029',
    '\uFEFFbom',
  ].map((name) => Buffer.from(name)),
  Buffer.from('\xff\xfe', 'latin1'),
  Buffer.from('latin1-\xe9t\xe9', 'latin1'),
  Buffer.from('cut-\xf0\x9f\x98', 'latin1'),
  Buffer.from('surrogate-\xed\xa0\x80', 'latin1'),
  Buffer.from('overlong-\xc0\xaf', 'latin1'),
  Buffer.alloc(255, 'n'),
  Buffer.from('漢'.repeat(85)),
  Buffer.alloc(255, 0xfe),
]

/** Everything that restic keeps of a file system and we give back, and one pipe. */
export async function writeHardTree(root: string): Promise<void> {
  const at = (...names: string[]) => join(root, ...names)
  await mkdir(at('names'), { recursive: true })
  for (const [number, name] of hardNames.entries()) await writeFile(Buffer.concat([Buffer.from(at('names/')), name]), `file ${number}`)
  const oddFolder = Buffer.concat([Buffer.from(at('folder-')), Buffer.from('\xff\\"\n', 'latin1')])
  await mkdir(oddFolder)
  await writeFile(Buffer.concat([oddFolder, Buffer.from('/file')]), 'in an odd folder')

  await mkdir(at('empty/empty/empty'), { recursive: true })
  await writeFile(at('empty/file'), '')
  await mkdir(at(...Array.from({ length: 60 }, (_, depth) => `deep ${depth}`)), { recursive: true })

  await writeFile(at('one byte'), 'x')
  await writeFile(at('random'), randomBytes(9_000_001))
  await writeFile(at('text'), 'the same line again and again\n'.repeat(200_000))
  await link(at('random'), at('random again'))
  await writeSparse(at('sparse'), 50_000_000)

  await mkdir(at('links'))
  const targets = [
    '../text',
    '/nowhere/at/all',
    '.',
    'itself',
    '../empty',
    'größe 漢 🪐',
    'quote"d \\ and\nline',
    '../../../..',
    'x'.repeat(1000),
  ]
  for (const [number, target] of targets.entries()) await symlink(target, at('links', target === 'itself' ? target : `${number}`))
  await lutimes(at('links', '0'), 1_000_000_000, 1_000_000_000)

  await mkdir(at('modes'))
  for (const mode of [0o000, 0o400, 0o600, 0o644, 0o666, 0o755, 0o777, 0o4755, 0o2755]) {
    await writeFile(at('modes', `file ${mode.toString(8)}`), mode.toString(8))
    await chmod(at('modes', `file ${mode.toString(8)}`), mode)
  }
  for (const mode of [0o500, 0o555, 0o711, 0o755, 0o777, 0o1777]) {
    await mkdir(at('modes', `folder ${mode.toString(8)}`))
    await writeFile(at('modes', `folder ${mode.toString(8)}`, 'file'), 'inside')
    await chmod(at('modes', `folder ${mode.toString(8)}`), mode)
  }
  await run('mkfifo', [at('pipe')])

  await mkdir(at('times'))
  const times = [0, 1, 0.5, 1_234_567_890.987654, 2 ** 31 + 1, 4_102_444_800, new Date('1965-04-03T02:01:00.500Z')]
  for (const [number, time] of times.entries()) {
    await writeFile(at('times', `${number}`), '')
    await utimes(at('times', `${number}`), time, time)
  }
  await utimes(at('times'), 981_173_106, 981_173_106)
}

/** A file with holes; what lies between them cannot be guessed. */
export async function writeSparse(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.truncate(bytes)
    for (let at = 0; at < bytes; at += Math.ceil(bytes / 5)) await file.write(randomBytes(100_000), 0, undefined, at)
  } finally {
    await file.close()
  }
}

export async function readFolderTree(root: string): Promise<FolderTree> {
  const tree = new Map<string, TreeEntry>()
  const visit = async (folder: Buffer, above: string): Promise<void> => {
    for (const name of await readdir(folder, 'buffer')) {
      const path = Buffer.concat([folder, Buffer.from('/'), name])
      const shown = above + name.toString('latin1')
      const entry = await readEntry(path)
      tree.set(shown, entry)
      if (entry.type === 'dir') await visit(path, `${shown}/`)
    }
  }
  await visit(Buffer.from(root), '')
  return tree
}

async function readEntry(path: Buffer): Promise<TreeEntry> {
  const facts = await lstat(path, { bigint: true })
  const modifiedAt = facts.mtimeNs
  if (facts.isSymbolicLink()) {
    const target = await readlink(path, 'buffer')
    return { type: 'symlink', mode: undefined, size: 0, content: target.toString('latin1'), modifiedAt }
  }
  const mode = Number(facts.mode) & 0o7777
  if (facts.isDirectory()) return { type: 'dir', mode, size: 0, content: '', modifiedAt }
  if (!facts.isFile()) return { type: 'other', mode, size: 0, content: '', modifiedAt }
  return { type: 'file', mode, size: Number(facts.size), content: await sha256Of(path), modifiedAt }
}

async function sha256Of(path: Buffer): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/**
 * Asserts that what was extracted is what was there: contents, link targets and permission bits, and times to a microsecond (to a
 * millisecond before 1970). What is neither file nor folder nor link is not expected.
 */
export function expectSameTree(extracted: FolderTree, original: FolderTree): void {
  const expected = [...original].filter(([, { type }]) => type !== 'other')
  const facts = ({ type, mode, size, content }: TreeEntry) => ({ type, mode: mode === undefined ? mode : mode & 0o777, size, content })
  const comparable = (entries: Iterable<readonly [string, TreeEntry]>) =>
    Object.fromEntries(
      [...entries].map(([path, entry]) => [path, facts(entry)] as const).sort(([left], [right]) => (left < right ? -1 : 1)),
    )
  expect(comparable(extracted)).toEqual(comparable(expected))
  for (const [path, { modifiedAt }] of expected) {
    const difference = (extracted.get(path)?.modifiedAt ?? 0n) - modifiedAt
    const most = modifiedAt < 0n ? 1_000_000n : 1000n
    expect(difference <= most && -difference <= most, `${path} is of ${modifiedAt}, and was extracted ${difference} ns later`).toBe(true)
  }
}
