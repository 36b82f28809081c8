import assert from 'node:assert/strict'
import type { Agent, Backup, Capture, RestoreReport, RestoreStop } from '../contracts/index.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { type AgentHarness, type AgentServer, assertNoErrors, withFilesOf, withStage } from './agent-harness.ts'
import { eventually } from './conformance-check.ts'

/** Backups of one job that follow each other, in one repository. */
export class CaptureChain {
  readonly repository: MemoryRepository = createMemoryRepository()
  readonly backups: Backup[] = []
  readonly #agent: Agent

  constructor(agent: Agent) {
    this.#agent = agent
  }

  /** As the pipeline does it, with confirmation, unless it is killed right before that. */
  async capture(kind: 'full' | 'log', { confirmed = true }: { readonly confirmed?: boolean } = {}): Promise<Backup> {
    const capture = await this.#agent.beginCapture({ job: 'conformance', kind, chain: this.backups })
    return await this.store(capture, confirmed)
  }

  /** Stores a capture as the next backup, confirms and disposes it. */
  async store(capture: Capture, confirmed = true): Promise<Backup> {
    const { version } = this.#agent
    try {
      const backup = await withStage(async (stage) => {
        await capture.copyTo(stage.stage)
        if (!stage.sealed) await stage.stage.seal(capture.facts)
        return await this.repository.store({ run: stage.run, agent: { version } }, stage.contents)
      })
      this.backups.push(backup)
      if (confirmed) await capture.confirm()
      return backup
    } finally {
      await capture[Symbol.asyncDispose]()
    }
  }

  /** Restores all of them onto the target, or up to a stop, or only some of them. */
  async restoreOnto({ target, restoreOptions }: AgentHarness, stop?: RestoreStop, backups = this.backups): Promise<RestoreReport> {
    const { agent } = target
    const options = restoreOptions === undefined ? {} : { options: restoreOptions }
    const request = { backups, target: { overwrite: true, ...options }, ...(stop === undefined ? {} : { stop }) }
    const plan = await agent.planRestore(request)
    assertNoErrors(plan.problems, 'nothing stands against the restore of a chain')
    return await withFilesOf(this.repository, backups, (files) => agent.restore(plan, files))
  }
}

/** Makes a change that is later, by the clock of the server, than everything before it, and earlier than everything after it. */
export async function changeApart(server: AgentServer, item: string, apart: number): Promise<void> {
  await clockMoves(server, apart)
  await server.change(item)
  await clockMoves(server, apart)
}

export async function nowOf(server: AgentServer): Promise<string> {
  return (await server.now?.()) ?? new Date().toISOString()
}

/** So that a whole step of the clock lies between what was before and what comes after. */
async function clockMoves(server: AgentServer, apart: number): Promise<void> {
  const began = Date.parse(await nowOf(server))
  await eventually(async () => Date.parse(await nowOf(server)) >= began + 2 * apart, 'the clock of the server moves on')
}

export async function assertContents(server: AgentServer, expected: ReadonlyMap<string, unknown>, what: string): Promise<void> {
  for (const [item, content] of expected) assert.deepEqual(await server.content(item), content, `${item} must be as it was ${what}`)
}

export async function contentsOf(server: AgentServer, items: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
  const contents = new Map<string, unknown>()
  for (const item of items) contents.set(item, await server.content(item))
  return contents
}
