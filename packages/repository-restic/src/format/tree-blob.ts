import { goJsonString } from './go-json.ts'
import { quoteName, unquoteName } from './go-quote.ts'
import { isStorageId, type StorageId } from './storage-id.ts'

/** What is written: folders and files. Times are ISO 8601 in UTC, modes are those of POSIX (`0o600`). */
export type WrittenNode =
  | { readonly type: 'dir'; readonly name: string; readonly modifiedAt: string; readonly subtree: StorageId }
  | {
      readonly type: 'file'
      readonly name: string
      readonly modifiedAt: string
      readonly size: number
      readonly content: readonly StorageId[]
    }

/** What is read: also what restic itself writes into trees. */
export interface TreeNode {
  readonly type: string
  /** As bytes, since names need not be Unicode. */
  readonly name: Buffer
  /** POSIX permission bits with set-user-id, set-group-id and sticky; restic leaves out what is 0. */
  readonly mode: number
  readonly modifiedAt: string | undefined
  readonly size: number
  readonly content: readonly StorageId[]
  readonly subtree: StorageId | undefined
  readonly linkTarget: Buffer | undefined
}

/** Bits of Go's `fs.FileMode`, which trees hold instead of those of POSIX. */
const goDirectory = 0x80000000
const goSpecials = [
  [0x00800000, 0o4000],
  [0x00400000, 0o2000],
  [0x00100000, 0o1000],
] as const

const fileMode = 0o600
const folderMode = 0o700

/**
 * A tree as restic writes it (doc/design.rst, "Trees and Data"; fields in the order of its struct `Node`): the same entries give
 * the same bytes, so that folders that did not change are stored once. Throws TypeError for two entries of one name.
 */
export function encodeTree(nodes: readonly WrittenNode[], owner: { readonly uid: number; readonly gid: number }): Buffer {
  const named = nodes.map((node) => ({ node, name: Buffer.from(node.name.toWellFormed(), 'utf8') }))
  named.sort((left, right) => Buffer.compare(left.name, right.name))
  for (const [at, { name, node }] of named.entries()) {
    if (at > 0 && named[at - 1]?.name.equals(name)) throw new TypeError(`a folder has two entries called ${node.name}`)
  }
  return Buffer.from(`{"nodes":[${named.map(({ node }) => nodeJson(node, owner)).join(',')}]}\n`, 'utf8')
}

function nodeJson(node: WrittenNode, { uid, gid }: { readonly uid: number; readonly gid: number }): string {
  const time = JSON.stringify(node.modifiedAt)
  const mode = node.type === 'dir' ? goDirectory + folderMode : fileMode
  const head = `{"name":${goJsonString(quoteName(node.name))},"type":"${node.type}","mode":${mode},"mtime":${time},"atime":${time},"ctime":${time},"uid":${uid},"gid":${gid}`
  if (node.type === 'dir') return `${head},"content":null,"subtree":"${node.subtree}"}`
  const size = node.size === 0 ? '' : `,"size":${node.size}`
  return `${head}${size},"content":[${node.content.map((id) => `"${id}"`).join(',')}]}`
}

/** Deeper than any folder of a person, and shallow enough for every walk. */
export const deepestTree = 512

/** Throws a `SyntaxError` that names the entry, for whatever could lead out of a folder or make no sense. */
export function decodeTree(plaintext: Uint8Array): TreeNode[] {
  const tree: unknown = JSON.parse(Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).toString('utf8'))
  const nodes = isRecord(tree) ? tree.nodes : undefined
  if (nodes === null) return []
  if (!Array.isArray(nodes)) throw new SyntaxError('the tree has no nodes')
  const seen = new Set<string>()
  return nodes.map((node, at) => {
    if (!isRecord(node)) throw new SyntaxError(`entry ${at} of the tree is no object`)
    const decoded = decodeNode(node, at)
    const name = decoded.name.toString('latin1')
    if (seen.has(name)) throw new SyntaxError(`the tree has two entries called ${described(decoded.name)}`)
    seen.add(name)
    return decoded
  })
}

function decodeNode(node: Readonly<Record<string, unknown>>, at: number): TreeNode {
  if (typeof node.name !== 'string' || typeof node.type !== 'string') throw new SyntaxError(`entry ${at} of the tree has no name or type`)
  const name = unquoteName(node.name)
  assertName(name)
  const what = `the entry ${described(name)}`
  const { size = 0, content = [], subtree } = node
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new SyntaxError(`${what} has the size ${JSON.stringify(size).slice(0, 80)}`)
  if (content !== null && !(Array.isArray(content) && content.every(isStorageId)))
    throw new SyntaxError(`${what} has content that is no list of ids`)
  if (node.type === 'dir' ? !isStorageId(subtree) : subtree !== undefined && subtree !== null)
    throw new SyntaxError(`${what} is a ${node.type} and its subtree is ${JSON.stringify(subtree ?? null).slice(0, 80)}`)
  return {
    type: node.type,
    name,
    mode: typeof node.mode === 'number' ? posixMode(node.mode) : 0,
    modifiedAt: typeof node.mtime === 'string' ? node.mtime : undefined,
    size,
    content: content ?? [],
    subtree: isStorageId(subtree) ? subtree : undefined,
    linkTarget: linkTargetOf(node),
  }
}

function linkTargetOf({ linktarget, linktarget_raw: raw }: Readonly<Record<string, unknown>>): Buffer | undefined {
  if (typeof raw === 'string') return Buffer.from(raw, 'base64')
  return typeof linktarget === 'string' ? Buffer.from(linktarget, 'utf8') : undefined
}

/** What no file system takes: some count bytes, and some the characters of UTF-16. */
const longestName = 255

function isTooLong(name: Buffer): boolean {
  return name.byteLength > longestName && name.toString('utf8').length > longestName
}

/** One entry of one folder: whatever else a name could be is refused before anything is read or written by it. */
function assertName(name: Buffer): void {
  const text = name.toString('latin1')
  const reason =
    text === '' || text === '.' || text === '..'
      ? 'is none'
      : text.includes('/')
        ? 'contains a slash'
        : text.includes('\0')
          ? 'contains NUL'
          : isTooLong(name)
            ? `is longer than ${longestName} characters`
            : undefined
  if (reason !== undefined) throw new SyntaxError(`the name ${described(name)} ${reason}`)
}

function posixMode(goMode: number): number {
  return goSpecials.reduce((mode, [from, to]) => ((goMode & from) === 0 ? mode : mode | to), goMode & 0o777)
}

function described(name: Buffer): string {
  const text = name.toString('utf8')
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
