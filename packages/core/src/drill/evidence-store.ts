import { createHash } from 'node:crypto'
import type { OperationOptions, Problem, Uploader } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import type { SignedEvidence } from './drill-evidence.ts'
import { parseEvidence } from './parse-evidence.ts'

const folder = 'drills'
/** Hundreds of thousands of tables; more than that is not read into memory. */
const longestRecord = 128 * 1024 * 1024

/** Where the records of one job lie: `drills/<job>/`. */
export function evidencePrefix(job: string): string {
  return `${folder}/${encodeSegment(job)}/`
}

/** A record as it lies in a store; proven only once `verifyEvidence` has taken `content`. */
export interface StoredEvidence extends SignedEvidence {
  readonly key: string
  readonly content: string
}

/** Stores a record, once: it is never replaced. Returns its key. Throws `ALREADY_EXISTS`, and what uploading throws. */
export async function storeEvidence(uploader: Uploader, signed: SignedEvidence, options: OperationOptions = {}): Promise<string> {
  const key = keyOf(signed)
  throwIfAborted(options.signal, 'storing the record of the drill')
  if ((await uploader.stat(key, options)) !== undefined) {
    throw new BackupError(`there is a record ${key} in ${uploader.destination} already`, {
      code: 'ALREADY_EXISTS',
      hint: 'Records are never replaced: make another drill.',
    })
  }
  const content = Buffer.from(canonicalJson(signed), 'utf8')
  const sha256 = createHash('sha256').update(content).digest('hex')
  await uploader.upload(
    key,
    {
      size: content.length,
      sha256,
      async *open() {
        yield Uint8Array.from(content)
      },
    },
    options,
  )
  return key
}

/**
 * All records of a job, oldest first. One that cannot be read is told as a problem and left out, as is one of another job or drill that somebody has
 * put in its place: a signature says nothing of where a record lies.
 */
export async function* listEvidence(
  uploader: Uploader,
  job: string,
  options: OperationOptions = {},
): AsyncGenerator<StoredEvidence, void, void> {
  const objects: { readonly key: string; readonly size: number }[] = []
  for await (const object of uploader.list(evidencePrefix(job), options)) if (object.key.endsWith('.json')) objects.push(object)
  objects.sort((a, b) => (a.key < b.key ? -1 : 1))
  for (const { key, size } of objects) {
    throwIfAborted(options.signal, 'listing records of drills')
    try {
      if (size > longestRecord) throw tooLong(key, size)
      const content = await textOf(uploader, key, options)
      const signed = parseEvidence(content, key)
      if (signed.evidence.job !== job || keyOf(signed) !== key) throw misplaced(key, signed)
      yield { key, content, ...signed }
    } catch (error) {
      if (!BackupError.is(error) || error.code === 'ABORTED') throw error
      options.onProgress?.({ type: 'problem', problem: unreadable(error) })
    }
  }
}

function keyOf({ evidence }: SignedEvidence): string {
  return `${evidencePrefix(evidence.job)}${encodeSegment(evidence.id)}.json`
}

function misplaced(key: string, { evidence }: SignedEvidence): BackupError {
  return new BackupError(`the record ${key} is not of this drill, but of drill ${evidence.id} of job ${evidence.job}`, {
    code: 'INCONSISTENT',
    hint: 'It proves nothing here. Find out who can write to the repository, and remove it.',
  })
}

async function textOf(uploader: Uploader, key: string, options: OperationOptions): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of uploader.download(key, undefined, options)) chunks.push(Uint8Array.from(chunk))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    throw new BackupError(`the record ${key} is damaged: it is no UTF-8`, { code: 'CORRUPTED', cause: error })
  }
}

function tooLong(key: string, size: number): BackupError {
  return new BackupError(`the record ${key} has ${size} bytes, and none is longer than ${longestRecord}`, { code: 'CORRUPTED' })
}

function unreadable({ code, message, hint }: BackupError): Problem {
  return {
    severity: 'warning',
    code,
    message,
    hint: hint ?? 'It proves nothing. Find out who can write to the repository, and make another drill.',
  }
}
