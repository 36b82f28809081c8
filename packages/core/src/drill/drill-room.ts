import type { RestorePlan, Scratch } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { ScratchSettings } from '../pipeline/scratch-space.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import { freeBytes } from '../staging/disk-errors.ts'
import { minimumFreeByDefault } from '../staging/setting-names.ts'

/** Throws `OUT_OF_SPACE` where what is restored does not fit beside what must stay free. What lies on another machine is not looked at. */
export async function assertRoom({ directory }: Scratch, { chain }: RestorePlan, files: ScratchSettings): Promise<void> {
  if (directory === undefined) return
  const needed = chain?.spaceBytes ?? 0
  const kept = files.minimumFreeBytes ?? minimumFreeByDefault
  const free = await (files.freeBytes ?? freeBytes)(directory)
  if (free - needed >= kept) return
  throw new BackupError(
    `the disk of ${directory} has ${describeBytes(free)} free: there is no room for ${describeBytes(needed)} that the drill restores, because ${describeBytes(kept)} must stay free`,
    { code: 'OUT_OF_SPACE', hint: 'Free disk space there, or give the drill a directory on a larger disk.' },
  )
}
