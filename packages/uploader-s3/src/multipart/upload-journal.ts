import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { currentOwner, ownedName, ownerInName, ownerState, type ProcessOwner } from '@backup-planet/core'
import * as z from 'zod'
import type { ChecksumMembers } from '../objects/sent-checksums.ts'

/** What is known of an upload that may be continued. */
export interface UploadFacts {
  readonly destination: string
  readonly key: string
  readonly size: number
  readonly sha256: string
  readonly partBytes: number
  /** What `creationFingerprint` gave for the settings of its beginning. */
  readonly settings: string
  /** `undefined` from before the store is asked for one until it has answered. */
  readonly uploadId?: string | undefined
  /** In the metadata of the object. */
  readonly token: string
  /** ISO 8601, by the clock of this machine. */
  readonly begunAt: string
}

export interface JournaledPart {
  readonly part: number
  /** As the store gave it, without quotes. */
  readonly etag: string
  /** Lower-case hex, of the bytes that were sent. */
  readonly md5: string
}

/** What the object must be, as `multipartChecksums` gives it. */
export interface JournaledWhole {
  readonly md5: string
  readonly part: ChecksumMembers
}

export interface JournaledUpload {
  readonly facts: UploadFacts
  /** Known as soon as the store may have been asked to make an object of the parts. */
  readonly whole?: JournaledWhole | undefined
  readonly parts: ReadonlyMap<number, JournaledPart>
}

/** A journal that is being written. */
export interface OpenJournal {
  /** Resolves when the part is on disk. */
  note(part: JournaledPart): Promise<void>
  /** Resolves when it is on disk that all parts are there, and what they give together. */
  noteWhole(whole: JournaledWhole): Promise<void>
  close(): Promise<void>
}

/** For one upload alone to read, write and remove the journal of its key. */
export interface JournalClaim {
  /** Never rejects. */
  release(): Promise<void>
}

/** The interrupted uploads of one destination, each in a file of its own. */
export interface UploadJournals {
  /** `undefined` while another upload has it, in this process or in another that lives; where two ask at once perhaps neither gets it. */
  claim(key: string): Promise<JournalClaim | undefined>
  read(key: string): Promise<JournaledUpload | undefined>
  /** Replaces the journal that there is of this key. */
  begin(facts: UploadFacts): Promise<OpenJournal>
  resume(key: string): Promise<OpenJournal>
  remove(key: string): Promise<void>
  /** Keys of those to which nothing was written for so long. Files as old that say nothing are removed. */
  stale(olderThanSeconds: number): Promise<readonly string[]>
}

const format = 's3-upload-journal/1'
const ending = '.journal'
const ownerEnding = '.owner'
const silentOwnerMilliseconds = 5 * 60_000

const headerSchema = z.object({
  format: z.literal(format),
  destination: z.string(),
  key: z.string(),
  size: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  partBytes: z.int().min(1),
  settings: z.string().regex(/^[0-9a-f]{64}$/),
  uploadId: z.string().min(1).optional(),
  token: z.string().min(1),
  begunAt: z.iso.datetime(),
})
const wholeSchema = z.object({
  whole: z.object({
    md5: z.string().regex(/^[0-9a-f]{32}-\d+$/),
    part: z.object({ ChecksumCRC32: z.string().optional(), ChecksumCRC32C: z.string().optional(), ChecksumSHA256: z.string().optional() }),
  }),
})
const partSchema = z.object({
  part: z.int().min(1).max(10_000),
  etag: z.string(),
  md5: z.string().regex(/^[0-9a-f]{32}$/),
})

/**
 * Journals below `directory`: a line of JSON for the upload and one for each part that the store has confirmed, forced to disk one
 * by one, and at the end one for the whole. A line that a crash cut is left out on reading: then the part is compared by what the store says of it. Files are 0600.
 */
export function createUploadJournals(directory: string, destination: string): UploadJournals {
  const nameOf = (key: string): string => createHash('sha256').update(`${destination}\n${key}`).digest('hex').slice(0, 40)
  const pathOf = (key: string): string => join(directory, nameOf(key) + ending)
  const claimedHere = new Set<string>()

  /** Whoever writes its name and then finds no other is alone: of two at once each finds the other. */
  async function claimName(key: string): Promise<string | undefined> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const prefix = nameOf(key) + ownerEnding
    const own = ownedName(prefix, await currentOwner())
    const path = join(directory, own)
    await writeFile(path, '', { flag: 'wx', mode: 0o600 })
    for (const name of await readdir(directory)) {
      const owner = name === own ? undefined : ownerInName(prefix, name)
      if (owner === undefined) continue
      const other = join(directory, name)
      if (await lives(owner, [other, pathOf(key)])) {
        await rm(path, { force: true })
        return undefined
      }
      await rm(other, { force: true })
    }
    return path
  }

  return {
    async claim(key) {
      if (claimedHere.has(key)) return undefined
      claimedHere.add(key)
      let path: string | undefined
      try {
        path = await claimName(key)
      } finally {
        if (path === undefined) claimedHere.delete(key)
      }
      if (path === undefined) return undefined
      const claimed = path
      return {
        async release() {
          await rm(claimed, { force: true }).catch(() => undefined)
          claimedHere.delete(key)
        },
      }
    },
    async read(key) {
      const found = await readJournal(pathOf(key))
      return found?.facts.destination === destination && found.facts.key === key ? found : undefined
    },
    async begin(facts) {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const path = pathOf(facts.key)
      const part = `${path}.${randomBytes(6).toString('hex')}.part`
      const handle = await open(part, 'wx', 0o600)
      try {
        await handle.writeFile(`${JSON.stringify({ format, ...facts })}\n`)
        await handle.sync()
        await rename(part, path)
        await syncFolder(directory)
      } catch (error) {
        await handle.close()
        await rm(part, { force: true })
        throw error
      }
      return openJournal(handle)
    },
    async resume(key) {
      const handle = await open(pathOf(key), 'a', 0o600)
      // After a line that was cut the next one must not begin in the middle of it.
      await handle.appendFile('\n')
      return openJournal(handle)
    },
    async remove(key) {
      await rm(pathOf(key), { force: true })
    },
    async stale(olderThanSeconds) {
      const names = await readdir(directory).catch(() => [])
      const found: string[] = []
      for (const name of names) {
        const path = join(directory, name)
        const changed = await stat(path).catch(() => undefined)
        if (changed === undefined || Date.now() - changed.mtimeMs < olderThanSeconds * 1000) continue
        if (name.endsWith('.part') || (await isForsaken(name))) await rm(path, { force: true })
        if (!name.endsWith(ending)) continue
        const content = await readFile(path, 'utf8').catch(() => undefined)
        if (content === undefined) continue
        const upload = journalIn(content)
        if (upload === undefined) await rm(path, { force: true })
        else if (upload.facts.destination === destination) found.push(upload.facts.key)
      }
      return found
    },
  }
}

/** The name of an owner that was killed before it could remove it. */
async function isForsaken(name: string): Promise<boolean> {
  const at = name.indexOf(ownerEnding)
  const owner = at < 0 ? undefined : ownerInName(name.slice(0, at + ownerEnding.length), name)
  return owner !== undefined && (await ownerState(owner)) !== 'alive'
}

/** Of one of another host, such as a container before, nothing is known but what it wrote: every part of its upload. */
async function lives(owner: ProcessOwner, files: readonly string[]): Promise<boolean> {
  const state = await ownerState(owner)
  if (state !== 'unknown') return state === 'alive'
  const written = await Promise.all(files.map((file) => stat(file).catch(() => undefined)))
  return written.some((file) => file !== undefined && Date.now() - file.mtimeMs < silentOwnerMilliseconds)
}

/** `undefined` when there is none, or when it is not one of ours. */
async function readJournal(path: string): Promise<JournaledUpload | undefined> {
  const content = await readFile(path, 'utf8').catch(() => undefined)
  return content === undefined ? undefined : journalIn(content)
}

function journalIn(content: string): JournaledUpload | undefined {
  const [first = '', ...rest] = content.split('\n')
  const header = headerSchema.safeParse(parsed(first))
  if (!header.success) return undefined
  const parts = new Map<number, JournaledPart>()
  let whole: JournaledWhole | undefined
  for (const line of rest) {
    const value = parsed(line)
    const part = partSchema.safeParse(value)
    if (part.success) parts.set(part.data.part, part.data)
    else whole = wholeSchema.safeParse(value).data?.whole ?? whole
  }
  const { format: _, ...facts } = header.data
  return { facts, parts, whole }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function openJournal(handle: FileHandle): OpenJournal {
  let last: Promise<void> = Promise.resolve()
  const append = (line: object): Promise<void> => {
    last = last.then(async () => {
      await handle.appendFile(`${JSON.stringify(line)}\n`)
      await handle.datasync()
    })
    return last
  }
  return {
    note: append,
    noteWhole: (whole) => append({ whole }),
    async close() {
      await last.catch(() => undefined)
      await handle.close()
    },
  }
}

/** Windows has no such thing and needs none. */
async function syncFolder(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
