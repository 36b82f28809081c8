import { hostname } from 'node:os'
import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import type fc from 'fast-check'
import { createMasterKey } from '../crypto/master-key.ts'
import type { LockRecord } from '../format/lock-record.ts'
import { storageIdOf } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import type { LockClock } from '../repository-lock.ts'
import { writeSealedJson } from '../repository-objects.ts'

export const minute = 60_000
const key = createMasterKey()
export const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })

export interface Place {
  readonly uploader: MemoryUploader
  readonly repository: OpenRepository
  /** The same repository, opened by somebody else. */
  readonly another: OpenRepository
  readonly clock: TestClock
}

export function place(): Place {
  const uploader = createMemoryUploader()
  const opened = { key, keyId: storageIdOf(Buffer.of()), config: undefined }
  return { uploader, repository: { ...opened, uploader }, another: { ...opened, uploader: uploader.another() }, clock: new TestClock() }
}

export function locksIn({ objects }: MemoryUploader): string[] {
  return [...objects.keys()].filter((name) => name.startsWith('locks/'))
}

export async function writeLock(
  repository: OpenRepository,
  { time, ...record }: Partial<Omit<LockRecord, 'time'>> & { readonly time: number },
) {
  const lock: LockRecord = { time: new Date(time).toISOString(), exclusive: true, hostname: hostname(), username: '', pid: 0, ...record }
  return await writeSealedJson(repository, 'locks', JSON.stringify(lock), {})
}

/** Time passes when the test says so; who sleeps wakes at once, later. */
export class TestClock implements LockClock {
  time = Date.parse('2026-01-01T00:00:00.000Z')
  onSleep: () => Promise<void> = async () => undefined
  readonly #timers = new Set<{ readonly milliseconds: number; readonly action: () => void; next: number }>()

  now = (): number => this.time

  every(milliseconds: number, action: () => void): () => void {
    const timer = { milliseconds, action, next: this.time + milliseconds }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  async sleep(milliseconds: number): Promise<void> {
    this.time += milliseconds
    await this.onSleep()
  }

  tick(): void {
    for (const { action } of this.#timers) action()
  }

  async pass(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds
    await this.passUntil(() => this.time >= until, until)
    this.time = until
  }

  /** Every timer at its time; what it begins comes as far as it can before the next. */
  async passUntil(condition: () => boolean, until = Number.POSITIVE_INFINITY): Promise<void> {
    while (!condition()) {
      const [timer] = [...this.#timers].sort((left, right) => left.next - right.next)
      if (timer === undefined || timer.next > until) return
      this.time = Math.max(this.time, timer.next)
      timer.next = this.time + timer.milliseconds
      timer.action()
      // Nothing here waits for anything but promises: a turn of the event loop lets all of them come to their end.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Every operation begins when the scheduler says so. */
export function scheduledUploader(uploader: MemoryUploader, scheduler: fc.Scheduler): Uploader {
  const turn = () => scheduler.schedule(Promise.resolve())
  return {
    ...uploader,
    upload: async (...call) => {
      await turn()
      const stored = await uploader.upload(...call)
      await turn()
      return stored
    },
    remove: async (...call) => {
      await turn()
      await uploader.remove(...call)
    },
    stat: async (...call) => {
      await turn()
      return await uploader.stat(...call)
    },
    async *list(...call) {
      await turn()
      yield* uploader.list(...call)
    },
    async *download(...call) {
      await turn()
      yield* uploader.download(...call)
    },
  }
}

/** Counts the locks whenever there could be fewer. */
export function watchedUploader(uploader: MemoryUploader): Uploader & { fewest(): number } {
  let fewest = Number.POSITIVE_INFINITY
  return {
    ...uploader,
    fewest: () => fewest,
    remove: async (...call) => {
      await uploader.remove(...call)
      fewest = Math.min(fewest, locksIn(uploader).length)
    },
  }
}

export function breakableUploader(uploader: MemoryUploader): { readonly uploader: Uploader; isBroken: boolean } {
  const upload: Uploader['upload'] = (...call) => (breakable.isBroken ? Promise.reject(unreachable) : uploader.upload(...call))
  const breakable: { readonly uploader: Uploader; isBroken: boolean } = { isBroken: false, uploader: { ...uploader, upload } }
  return breakable
}
