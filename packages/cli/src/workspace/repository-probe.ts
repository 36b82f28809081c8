import { randomBytes } from 'node:crypto'
import { BackupError, checkKeyPrefix, type OperationOptions, type Problem, type Uploader } from '@backup-planet/core'
import { failureFacts } from '../output/failure-text.ts'

/** What a killed check left may be removed by the next one once nobody can be using it any more. */
const abandonedAfterMilliseconds = 3_600_000

/**
 * Proves that a place can be written, read and tidied: by the uploader's own check, which knows what it asks of its store, or else
 * with an object of some bytes that is uploaded, read back and removed. Throws only when it is aborted.
 */
export async function repositoryProblems(uploader: Uploader, { signal }: OperationOptions = {}): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  const place = `the repository ${uploader.destination}`
  const attempt = async (severity: Problem['severity'], what: string, action: () => Promise<void>): Promise<boolean> => {
    try {
      await action()
      return true
    } catch (error) {
      signal?.throwIfAborted()
      const { code, message, hint } = failureFacts(error)
      problems.push({ severity, code: code as Problem['code'], message: `${place} ${what}: ${message}`, hint })
      return false
    }
  }
  const checked = uploader.check === undefined ? await probe() : await ownCheck(uploader.check.bind(uploader))
  if (checked) await attempt('warning', 'cannot be tidied', removeAbandoned)
  return problems

  async function ownCheck(check: NonNullable<Uploader['check']>): Promise<boolean> {
    let found: readonly Problem[] = []
    const answered = await attempt('error', 'cannot be checked', async () => {
      found = await check({ signal })
    })
    problems.push(...found.map((problem) => ({ ...problem, message: `${place}: ${problem.message}` })))
    return answered && found.length === 0
  }

  async function probe(): Promise<boolean> {
    const key = `${checkKeyPrefix}${randomBytes(8).toString('hex')}`
    const content = Buffer.from(`backup-planet check ${randomBytes(16).toString('hex')}\n`)
    const written = await attempt('error', 'cannot be written', async () => {
      await uploader.upload(key, { size: content.length, open: () => once(content) }, { signal })
    })
    if (!written) return false
    await attempt('error', 'cannot be read back', async () => {
      const chunks: Uint8Array[] = []
      for await (const chunk of uploader.download(key, undefined, { signal })) chunks.push(chunk)
      if (!Buffer.concat(chunks).equals(content)) throw otherBytes(key)
    })
    return await attempt('warning', 'does not let anything be removed', () => uploader.remove(key, { signal }))
  }

  /** What checks left that were killed. */
  async function removeAbandoned(): Promise<void> {
    for await (const { key, modifiedAt } of uploader.list(checkKeyPrefix, { signal })) {
      if (Date.now() - Date.parse(modifiedAt) > abandonedAfterMilliseconds) await uploader.remove(key, { signal })
    }
  }
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
