import type { OperationOptions } from '@backup-planet/core'
import type { TreeNode } from '../format/tree-blob.ts'
import { plainLength, readPlacedBlob, type WantedBlob } from '../read/blob-reader.ts'
import { hostile } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'

/** A manifest of a million files is as long; what claims more would only fill the memory. */
export const mostWholeFileBytes = 256 * 1024 ** 2

/**
 * A file that is read into memory as a whole, as text: a manifest or a guide. Throws `CORRUPTED` before anything is read when it claims
 * to be longer than any, or its blobs are not as long as its entry says.
 */
export async function readWholeFile(
  session: ResticSession,
  { name, size, content }: TreeNode,
  where: string,
  options: OperationOptions,
): Promise<string> {
  const wanted: WantedBlob[] = []
  let bytes = 0
  for (const id of content) {
    const location = await session.locate('data', id, options)
    wanted.push({ id, location })
    bytes += plainLength(location)
    if (bytes > mostWholeFileBytes) break
  }
  const what = name.toString('utf8')
  if (Math.max(bytes, size) > mostWholeFileBytes) throw hostile(where, `its ${what} claims to have ${Math.max(bytes, size)} bytes or more`)
  if (bytes !== size) throw hostile(where, `the blobs of its ${what} have ${bytes} bytes, and its tree says ${size}`)
  const parts: Buffer[] = []
  for (const blob of wanted) parts.push(await readPlacedBlob(session, blob, options))
  return Buffer.concat(parts).toString('utf8')
}
