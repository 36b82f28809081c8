import type { Reopenable } from '@backup-planet/core'
import { identityOf } from '../part-name.ts'
import { below } from '../sftp-tree.ts'
import { leastResumedBytes } from './resume-point.ts'

/** Where an object is to be. */
export interface Target {
  readonly key: string
  readonly folders: readonly string[]
  readonly folder: string
  readonly name: string
  readonly path: string
  /** Of content that announces it. */
  readonly size: number | undefined
  /** Of content whose upload may be gone on with. */
  readonly identity: string | undefined
}

export function targetBelow(root: string, key: string, content: Reopenable): Target {
  const folders = key.split('/')
  const name = folders.pop() ?? ''
  const folder = folders.reduce(below, root)
  const identity = (content.size ?? 0) > leastResumedBytes ? identityOf(key, content) : undefined
  return { key, folders, folder, name, path: below(folder, name), size: content.size, identity }
}
