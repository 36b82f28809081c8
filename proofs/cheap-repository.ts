import type { Uploader } from '@backup-planet/core'
import { reopenable } from '@backup-planet/core/testing'
import { cheapResticRepository } from '@backup-planet/tooling/cheap-restic-repository'

/** Instead of creating a repository whose key takes half a second each time it is opened. */
export async function placeCheapRepository(uploader: Uploader): Promise<void> {
  for (const [key, bytes] of Object.entries(cheapResticRepository())) await uploader.upload(key, reopenable(bytes))
}
