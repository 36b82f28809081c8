import type { Problem } from '@backup-planet/core'
import type { S3Store } from './client/s3-store.ts'
import type { PartMemory } from './multipart/part-memory.ts'

export async function checkStore(_store: S3Store, _memory: PartMemory, _signal: AbortSignal | undefined): Promise<readonly Problem[]> {
  return []
}
