import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Staging } from '../../contracts/index.ts'
import type { RunEvent, RunEventListener } from '../../events/run-event.ts'
import { createDirectoryStaging } from '../../staging/directory-staging.ts'
import { type BackUpParts, type BackUpReport, backUp } from '../back-up.ts'
import { type AgentScript, Calls, type RecordingAgent, RecordingRepository, recordingAgent, recordingStaging } from './recording-parts.ts'

/** What one run has that others have not. */
export interface RunChanges extends Partial<Omit<AgentScript, 'calls'>> {
  readonly parts?: Partial<BackUpParts>
  readonly signal?: AbortSignal
  readonly budgetBytes?: number
  readonly onEvent?: RunEventListener
}

/** Runs of one job "shop", one after the other, on one real staging and one repository, all of which note what is called. */
export class BackUpBench {
  readonly directory: string
  readonly calls = new Calls()
  readonly events: RunEvent[] = []
  repository = new RecordingRepository(this.calls)
  /** Of the run that was begun last. */
  agent: RecordingAgent = recordingAgent({ calls: this.calls })

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<BackUpBench> {
    return new BackUpBench(await mkdtemp(path.join(tmpdir(), 'pipeline-test-')))
  }

  run({ parts, signal, budgetBytes, onEvent, ...script }: RunChanges = {}): Promise<BackUpReport> {
    this.agent = recordingAgent({ calls: this.calls, ...script })
    return backUp(
      {
        agent: this.agent,
        repository: this.repository,
        staging: recordingStaging(this.staging(budgetBytes), this.calls),
        request: { job: 'shop', kind: 'full' },
        ...parts,
      },
      { signal, onEvent: onEvent ?? ((event) => this.events.push(event)) },
    )
  }

  staging(budgetBytes = 1000): Staging {
    return createDirectoryStaging({ directory: this.directory, budgetBytes, minimumFreeBytes: 0 })
  }

  /** What is in the staging of the job: stages by their id, and locks. */
  async kept(): Promise<string[]> {
    return await readdir(path.join(this.directory, 'shop')).catch(() => [])
  }

  get outcome(): string | undefined {
    const last = this.events.at(-1)
    return last?.type === 'finished' ? last.outcome : undefined
  }

  async dispose(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
