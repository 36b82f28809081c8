import { createHash, randomBytes } from 'node:crypto'
import type { Reopenable } from '@backup-planet/core'

/**
 * Of a file that is being written; invisible as an object. The first eight digits are of what is written, zeros where nobody can go on
 * with it, the others of who writes: `.<name>.<identity><random>.part`.
 */
const partName = /^\..*\.([0-9a-f]{8})[0-9a-f]{8}\.part$/s

/**
 * Of an old object that makes room for the new one where a server cannot replace in one step; invisible as an object too:
 * `.<name>.<random>.aside`.
 */
const asideName = /^\.(.+)\.[0-9a-f]{16}\.aside$/s

/** Longer names do not fit with what an aside name has beside them, which is 24 bytes: file systems take 255. */
const longestAsideBytes = 231

/** Whether a file of this name is none of the objects. */
export function isUnfinished(name: string): boolean {
  return partNameOf(name) !== undefined || nameOfAside(name) !== undefined
}

/** The name of the object that was set aside under this one; `undefined` where none was. */
export function nameOfAside(name: string): string | undefined {
  return asideName.exec(name)?.[1]
}

/** A name for the old object `name` to be set aside under, which nobody else takes; `undefined` where there is no room for it. */
export function newAsideName(name: string): string | undefined {
  return Buffer.byteLength(name) > longestAsideBytes ? undefined : `.${name}.${randomBytes(8).toString('hex')}.aside`
}

const noIdentity = '00000000'

/** What a part is of, where it can be gone on with; `undefined` for a name that is none of a part. */
export function partNameOf(name: string): { readonly identity: string | undefined } | undefined {
  const [, identity] = partName.exec(name) ?? []
  if (identity === undefined) return undefined
  return { identity: identity === noIdentity ? undefined : identity }
}

/** Equal for the same announced content under the same key, in any process; `undefined` where content is not announced. */
export function identityOf(key: string, { size, sha256 }: Reopenable): string | undefined {
  if (size === undefined || sha256 === undefined) return undefined
  const identity = createHash('sha256').update(`${size}\0${sha256}\0${key}`).digest('hex').slice(0, 8)
  return identity === noIdentity ? undefined : identity
}

/** A name beside `name` that no object can have, that nobody else takes, and that fits where `name` fits. */
export function newPartName(name: string, identity: string | undefined): string {
  return `${partStem(name)}${identity ?? noIdentity}${randomBytes(4).toString('hex')}.part`
}

/** Whether `candidate` is a part of this very content. */
export function isPartOf(candidate: string, name: string, identity: string): boolean {
  return candidate.startsWith(partStem(name) + identity) && partNameOf(candidate)?.identity === identity
}

function partStem(name: string): string {
  const shortened = Buffer.from(name, 'utf8')
    .subarray(0, 200)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return `.${shortened}.`
}
