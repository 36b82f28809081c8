import { BackupError } from '../errors/backup-error.ts'

/** Which jobs are held, and how often. Every holder calls what it was given once; calling it again has no effect. */
export class MemoryJobLock {
  readonly #holders = new Map<string, number>()

  /** Throws `CONFLICT` while anybody holds the job. */
  take(job: string): () => void {
    if (this.#holders.has(job)) {
      throw new BackupError(`job "${job}" is already being backed up by this process`, {
        code: 'CONFLICT',
        retryable: true,
        hint: 'Wait until the running backup of this job has ended, or abort it.',
      })
    }
    return this.share(job)
  }

  /** One more holder of a job that is held. */
  share(job: string): () => void {
    this.#holders.set(job, (this.#holders.get(job) ?? 0) + 1)
    let held = true
    return () => {
      if (!held) return
      held = false
      const others = (this.#holders.get(job) ?? 1) - 1
      if (others > 0) this.#holders.set(job, others)
      else this.#holders.delete(job)
    }
  }
}
