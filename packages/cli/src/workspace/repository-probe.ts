import { randomBytes } from 'node:crypto'
import { BackupError, type OperationOptions, type Problem, type Uploader } from '@backup-planet/core'
import { failureFacts } from '../output/failure-text.ts'

/** Keys that begin like this are no backup of any repository format: names of jobs begin with a letter or digit. */
export const probePrefix = '.backup-planet-check/'
/** What a killed check left may be removed by the next one once nobody can be using it any more. */
const abandonedAfterMilliseconds = 3_600_000

/**
 * Proves that a place can be written, read and tidied: uploads an object of some bytes under a key of its own, reads it
 * back and removes it. Throws only when it is aborted.
 */
export async function repositoryProblems(uploader: Uploader, { signal }: OperationOptions = {}): Promise<readonly Problem[]> {
  const key = `${probePrefix}${randomBytes(8).toString('hex')}`
  const content = Buffer.from(`backup-planet check ${randomBytes(16).toString('hex')}\n`)
  const problems: Problem[] = []
  const attempt = async (severity: Problem['severity'], what: string, action: () => Promise<void>): Promise<boolean> => {
    try {
      await action()
      return true
    } catch (error) {
      signal?.throwIfAborted()
      const { code, message, hint } = failureFacts(error)
      problems.push({
        severity,
        code: code as Problem['code'],
        message: `the repository ${uploader.destination} ${what}: ${message}`,
        hint,
      })
      return false
    }
  }
  const written = await attempt('error', 'cannot be written', async () => {
    await uploader.upload(key, { size: content.length, open: () => once(content) }, { signal })
  })
  if (!written) return problems
  await attempt('error', 'cannot be read back', async () => {
    const chunks: Uint8Array[] = []
    for await (const chunk of uploader.download(key, undefined, { signal })) chunks.push(chunk)
    if (!Buffer.concat(chunks).equals(content)) throw otherBytes(key)
  })
  await attempt('warning', 'does not let anything be removed', async () => {
    await uploader.remove(key, { signal })
    for await (const { key: found, modifiedAt } of uploader.list(probePrefix, { signal })) {
      if (Date.now() - Date.parse(modifiedAt) > abandonedAfterMilliseconds) await uploader.remove(found, { signal })
    }
  })
  return problems
}

async function* once(content: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield content
}

function otherBytes(key: string): BackupError {
  return new BackupError(`${key} came back with other bytes than were written`, {
    code: 'CORRUPTED',
    hint: 'Do not back up to this place before its disk, or the service behind it, was looked at.',
  })
}
