import { availableParallelism, homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { parseSettings } from '@backup-planet/core'
import * as z from 'zod'
import { packBufferBytes } from './write/pack-buffers.ts'
import { mostSlabs, slabBytes } from './write/slab-memory.ts'

export interface ResticSettings {
  /** Of any key of the repository. Nobody can read the backups without it. */
  readonly password: string
  /** Bytes of a pack, 4 MiB to 128 MiB; 16 MiB when left out, as restic has it. */
  readonly packBytes?: number | undefined
  /** zstd, 1 (fast) to 19 (small), 0 for none; 2 when left out. */
  readonly compressionLevel?: number | undefined
  /** Worker threads for hashing, compressing and sealing; one for each core, 8 at most, when left out. */
  readonly threads?: number | undefined
  /**
   * What data on its way takes of memory, at least three packs and 48 MiB, where a pack counts as 8 MiB and 32 bytes or more: 96 MiB
   * when left out, or more for larger packs.
   */
  readonly memoryBytes?: number | undefined
  /**
   * Absolute path of a directory for manifests that were read before, sealed with the repository's key; it may be deleted at any
   * time. `false` for none; below the user's cache directory when left out.
   */
  readonly cacheDirectory?: string | false | undefined
  /** How long to wait for locks of others, in milliseconds; 0 when left out. */
  readonly waitForLockMilliseconds?: number | undefined
}

export interface ResolvedResticSettings {
  readonly password: string
  readonly packBytes: number
  readonly compressionLevel: number
  readonly threads: number
  readonly slabs: number
  /** Packs that are put together or sent at once. */
  readonly packs: number
  readonly cacheDirectory: string | undefined
  readonly waitForLockMilliseconds: number
}

const mebibyte = 1024 ** 2
/** Three files are cut at once: each holds one, and as many lie with the workers. */
const fewestSlabs = 6
/** One of data and one of trees that are put together, and one on its way. */
const fewestPacks = 3

export const resticSettingsSchema = z
  .strictObject({
    password: z.string().min(1, 'must not be empty'),
    packBytes: z
      .int()
      .min(4 * mebibyte)
      .max(128 * mebibyte)
      .default(16 * mebibyte),
    compressionLevel: z.int().min(0).max(19).default(2),
    threads: z.int().min(1).max(64).optional(),
    memoryBytes: z.int().optional(),
    cacheDirectory: z.union([z.literal(false), z.string().refine(isAbsolute, 'must be an absolute path')]).optional(),
    waitForLockMilliseconds: z.int().min(0).default(0),
  })
  .superRefine(({ memoryBytes, packBytes }, context) => {
    const least = leastMemoryBytes(packBytes)
    if (memoryBytes !== undefined && memoryBytes < least)
      context.addIssue({ code: 'custom', path: ['memoryBytes'], message: `must be at least ${least} with packs of ${packBytes} bytes` })
  })

function leastMemoryBytes(packBytes: number): number {
  return fewestSlabs * slabBytes + fewestPacks * packBufferBytes(packBytes)
}

/** Throws `INVALID_SETTINGS` that names every problem at once and shows no value. */
export function resolveResticSettings(settings: unknown): ResolvedResticSettings {
  const parsed = parseSettings(resticSettingsSchema, settings, 'repository')
  const memoryBytes = parsed.memoryBytes ?? Math.max(96 * mebibyte, leastMemoryBytes(parsed.packBytes))
  const bufferBytes = packBufferBytes(parsed.packBytes)
  // Half for chunks, as far as that leaves enough for packs.
  const forSlabs = Math.min(memoryBytes / 2, memoryBytes - fewestPacks * bufferBytes)
  const slabs = Math.min(mostSlabs, Math.max(fewestSlabs, Math.floor(forSlabs / slabBytes)))
  const packs = Math.floor((memoryBytes - slabs * slabBytes) / bufferBytes)
  return {
    password: parsed.password,
    packBytes: parsed.packBytes,
    compressionLevel: parsed.compressionLevel,
    threads: parsed.threads ?? Math.min(8, availableParallelism()),
    slabs,
    packs,
    cacheDirectory: parsed.cacheDirectory === false ? undefined : (parsed.cacheDirectory ?? defaultCacheDirectory()),
    waitForLockMilliseconds: parsed.waitForLockMilliseconds,
  }
}

/** `undefined` where this user has no place for it, as in some containers: then nothing is cached. */
function defaultCacheDirectory(): string | undefined {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = process.env
  const named = process.platform === 'win32' ? LOCALAPPDATA : process.platform === 'darwin' ? undefined : XDG_CACHE_HOME
  // A relative one is ignored: XDG Base Directory Specification, "Basics".
  const base = named !== undefined && isAbsolute(named) ? named : cacheBelowHome()
  return base === undefined ? undefined : join(base, 'backup-planet', 'restic')
}

function cacheBelowHome(): string | undefined {
  const below = process.platform === 'win32' ? 'AppData/Local' : process.platform === 'darwin' ? 'Library/Caches' : '.cache'
  try {
    const base = join(homedir(), below)
    return isAbsolute(base) ? base : undefined
  } catch {
    return undefined
  }
}

export const exampleResticSettings = `password: "\${file:/etc/backup-planet/password}"   # nobody can read the backups without it: keep a copy where the backups are not
# compressionLevel: 2           # zstd, 1 (fast) to 19 (small)
# packBytes: 16777216           # larger packs mean fewer objects in the store; up to 134217728
# memoryBytes: 100663296        # what data on its way may take; more lets more packs be sent at once
# threads: 2                    # one for each core when left out
# waitForLockMilliseconds: 0    # how long to wait for others who work on the repository
# cacheDirectory: /var/cache/backup-planet   # manifests read before; may be deleted at any time; false for none
`
