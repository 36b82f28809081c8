import { settleAside } from '../put-in-place.ts'
import type { SftpSession } from '../session/sftp-session.ts'
import { assertNoLink, find, ignoreMissing, pruneFolders } from '../sftp-tree.ts'
import type { Target } from './upload-target.ts'

/** What lies on the server of an upload that failed because its connection broke. */
export interface LeftPart {
  readonly target: Target
  /** Where only the answer to the last request was missing: what the object is, if it was put in its place all the same. */
  readonly whole: Whole | undefined
}

export interface Whole {
  readonly size: number
  readonly sha256: string
  readonly modified: Date
}

/** What uploads of this process work on, and what they were kept from removing. */
export interface LeftBehind {
  /** Paths that uploads under way have taken. */
  readonly writing: Set<string>
  addPart(path: string, part: LeftPart): void
  hasPart(path: string): boolean
  forgetPart(path: string): void
  /** Of an old object that was set aside, and its place. */
  addAside(path: string, place: string): void
  forgetAside(path: string): void
  /** Puts old objects back, or removes them. */
  settleAsides(session: SftpSession): Promise<void>
  /** The object of an earlier upload of this content that did all its work, and lost the last answer with its connection. */
  alreadyInPlace(session: SftpSession, target: Target): Promise<Whole | undefined>
  /** Removes the parts that an upload of `target` does not go on with, nor one of another key. */
  removeParts(session: SftpSession, target: Target): Promise<void>
}

export function leftBehind(root: string): LeftBehind {
  const writing = new Set<string>()
  const parts = new Map<string, LeftPart>()
  const asides = new Map<string, string>()

  return {
    writing,
    addPart: (path, part) => void parts.set(path, part),
    hasPart: (path) => parts.has(path),
    forgetPart: (path) => void parts.delete(path),
    addAside: (path, place) => void asides.set(path, place),
    forgetAside: (path) => void asides.delete(path),

    async settleAsides(session) {
      for (const [aside, path] of asides) {
        if (!writing.has(aside) && (await settleAside(session, aside, path)) !== 'stays') asides.delete(aside)
      }
    },

    async alreadyInPlace(session, target) {
      if (target.identity === undefined) return undefined
      for (const [path, { target: of, whole }] of parts) {
        if (whole === undefined || of.key !== target.key || of.identity !== target.identity) continue
        if ((await find(session, path)) !== undefined) continue
        parts.delete(path)
        const [found] = await Promise.all([find(session, target.path), assertNoLink(session, root, target.folders)])
        const isIt = found?.kind === 'file' && found.size === whole.size && found.modified.getTime() === whole.modified.getTime()
        if (isIt) return whole
      }
      return undefined
    },

    async removeParts(session, target) {
      for (const [path, { target: of }] of parts) {
        const isOurs = of.key === target.key
        if (of.identity !== undefined && (!isOurs || of.identity === target.identity)) continue
        await session.removeFile(path).catch(ignoreMissing)
        parts.delete(path)
        if (!isOurs) await pruneFolders(session, root, of.folders)
      }
    },
  }
}
