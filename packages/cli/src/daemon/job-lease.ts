import {
  acquireLease,
  type HeldLease,
  type JobHistory,
  type LeaseObservations,
  type OperationOptions,
  rememberedHistory,
} from '@backup-planet/core'
import type { Workspace } from '../workspace/workspace.ts'

/** Takes the lease of a job in its repository. What was seen of the leases of others is remembered. */
export function createJobLeases(observed: LeaseObservations = new Map()) {
  return async (workspace: Workspace, job: string, options: OperationOptions): Promise<HeldLease> => {
    const uploader = await workspace.uploader(workspace.configuration.job(job).repository)
    try {
      const lease = await acquireLease(uploader, { job, observed }, options)
      const release = async (): Promise<void> => {
        await lease.release()
        await uploader[Symbol.asyncDispose]()
      }
      return { ...lease, release, [Symbol.asyncDispose]: release }
    } catch (error) {
      await uploader[Symbol.asyncDispose]()
      throw error
    }
  }
}

/** What the repository of a job says of its runs, wherever they were made; of those that began since a moment, where one is given. */
export async function recallHistory(
  workspace: Workspace,
  job: string,
  now: number,
  { beganSince, ...options }: OperationOptions & { readonly beganSince?: number },
): Promise<JobHistory> {
  await using repository = await workspace.repositoryOf(job)
  const backups = []
  const since = beganSince === undefined ? {} : { beganSince: new Date(beganSince).toISOString() }
  for await (const backup of repository.list({ job, ...since }, options)) backups.push(backup)
  return rememberedHistory(backups, now)
}
