import {
  BackupError,
  listEvidence,
  type OperationOptions,
  type Problem,
  type Progress,
  type SignedEvidence,
  verifyEvidence,
} from '@backup-planet/core'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** A record of a drill, and where it lies. */
export interface JobEvidence extends SignedEvidence {
  /** Names of the repositories that have it. */
  readonly repositories: readonly string[]
  /** Left out where nothing was verified. */
  readonly verified?: boolean
  /** Why it was not verified. */
  readonly problem?: Problem
}

export interface JobEvidenceOptions extends Pick<OperationOptions, 'signal'> {
  /** Only these, such as those that are known to be reachable; all of the job when left out. */
  readonly repositories?: readonly string[]
  /** Told of records that cannot be read, and of repositories that cannot be reached. */
  readonly onProblem: (problem: Problem) => void
}

/** The records of all repositories of a job, oldest first, each once; two that differ although they have one id are two. */
export async function listJobEvidence(
  workspace: Workspace,
  job: string,
  publicKey: string | undefined,
  { signal, onProblem, repositories = repositoriesOf(workspace.configuration, job) }: JobEvidenceOptions,
): Promise<readonly JobEvidence[]> {
  const found = new Map<string, JobEvidence>()
  const onProgress = (progress: Progress): void => {
    if (progress.type === 'problem') onProblem(progress.problem)
  }
  for (const name of repositories) {
    try {
      await using uploader = await workspace.uploader(name)
      for await (const { key, content, evidence, signature } of listEvidence(uploader, job, { signal, onProgress })) {
        const before = found.get(content)
        if (before === undefined) found.set(content, { evidence, signature, repositories: [name], ...verdictOn(content, publicKey, key) })
        else found.set(content, { ...before, repositories: [...before.repositories, name] })
      }
    } catch (error) {
      if (!BackupError.is(error) || error.code === 'ABORTED') throw error
      onProblem({
        severity: 'error',
        code: error.code,
        message: `records in "${name}" cannot be listed: ${error.message}`,
        hint: error.hint ?? 'Make the repository reachable.',
      })
    }
  }
  return [...found.values()].sort((a, b) => (a.evidence.id < b.evidence.id ? -1 : 1))
}

function verdictOn(content: string, publicKey: string | undefined, key: string): Pick<JobEvidence, 'verified' | 'problem'> {
  if (publicKey === undefined) return {}
  try {
    verifyEvidence(content, publicKey, key)
    return { verified: true }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'INVALID_SETTINGS') throw error
    const { code, message, hint } = error
    return { verified: false, problem: { severity: 'error', code, message, hint: hint ?? 'It proves nothing.' } }
  }
}
