import { BackupError } from '@backup-planet/core'
import type { TreeNode } from '../format/tree-blob.ts'
import { hostile } from '../restic-errors.ts'

/** Microsoft, "Naming Files, Paths, and Namespaces": characters, endings and devices that cannot be the name of a file. */
const impossibleOnWindows = /[\\:*?"<>|\p{Cc}]|[. ]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/iu

/**
 * Names hold no slash; on Windows other characters lead elsewhere too, or mean something else than a name. Throws `UNSUPPORTED`.
 *
 * @param shown the whole path, for people
 */
export function possibleName(name: Buffer, shown: () => string, platform: NodeJS.Platform = process.platform): Buffer {
  if (platform !== 'win32' || !impossibleOnWindows.test(name.toString('utf8'))) return name
  throw new BackupError(`${JSON.stringify(shown())} cannot be written: Windows has no such names`, {
    code: 'UNSUPPORTED',
    hint: 'Extract the snapshot on another system, or only some of its paths.',
  })
}

export function linkTarget({ linkTarget: target }: TreeNode, shown: string): Buffer {
  if (target !== undefined && target.length > 0 && !target.includes(0)) return target
  throw hostile(`link ${JSON.stringify(shown)}`, 'it has no target that a link can have')
}
