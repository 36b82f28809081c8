import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Agent, Backup, CaptureKind, Scratch } from '../../contracts/index.ts'
import type { RunEvent } from '../../events/run-event.ts'
import { backUp } from '../../pipeline/back-up.ts'
import { createMemoryAgent } from '../../testing/memory-agent.ts'
import { createMemoryApplication } from '../../testing/memory-application.ts'
import { createMemoryRepository } from '../../testing/memory-repository.ts'
import { createMemoryStaging } from '../../testing/memory-staging.ts'
import { createMemoryUploader, type MemoryUploader } from '../../testing/memory-uploader.ts'
import { type DrillReport, type DrillRequest, drill } from '../drill.ts'
import { createEvidenceKey } from '../evidence-signature.ts'

/** A job "shop" with a full and a log of a memory application, and drills of it. */
export class DrillBench {
  readonly directory: string
  readonly server = createMemoryApplication({ orders: 'one', notes: 'a note' }, 'source')
  readonly repository = createMemoryRepository()
  readonly records = createMemoryUploader({ destination: 'memory://records' })
  readonly key = createEvidenceKey()
  readonly events: RunEvent[] = []
  /** Places that are open. */
  readonly open = new Set<Scratch>()

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<DrillBench> {
    const bench = new DrillBench(await mkdtemp(path.join(tmpdir(), 'drill-test-')))
    await bench.backUp('full')
    bench.server.write('orders', 'one and two')
    await bench.backUp('log')
    return bench
  }

  async backUp(kind: CaptureKind): Promise<Backup> {
    const agent = createMemoryAgent({ server: this.server })
    const staging = createMemoryStaging()
    const { backup } = await backUp({ agent, repository: this.repository, staging, request: { job: 'shop', kind } })
    if (backup === undefined) throw new Error('nothing was stored')
    return backup
  }

  /** The memory agent, of which `change` may break its scratch places. */
  agent(change: (scratch: Scratch) => Partial<Scratch> = () => ({})): Agent {
    const sound = createMemoryAgent({ server: this.server })
    return {
      ...sound,
      openScratch: async (request, options) => {
        const opened = (await sound.openScratch?.(request, options)) as Scratch
        const place: Scratch = {
          ...opened,
          ...change(opened),
          [Symbol.asyncDispose]: async () => {
            this.open.delete(place)
            await opened[Symbol.asyncDispose]()
          },
        }
        this.open.add(place)
        return place
      },
    }
  }

  drill(changes: Partial<DrillRequest> = {}, signal?: AbortSignal, records: MemoryUploader = this.records): Promise<DrillReport> {
    const request: DrillRequest = {
      agent: this.agent(),
      job: 'shop',
      repositories: [{ name: 'local', repository: this.repository }],
      goal: { latest: true },
      scratch: { place: 'private' },
      files: { directory: path.join(this.directory, 'files'), budgetBytes: 1000, minimumFreeBytes: 0 },
      key: this.key.privateKey,
      records: [records],
      ...changes,
    }
    return drill(request, { signal, onEvent: (event) => this.events.push(event) })
  }

  /** Everything that a drill must not leave. */
  async left(): Promise<readonly unknown[]> {
    const files = await readdir(path.join(this.directory, 'files')).catch(() => [])
    return [...files, ...this.open, ...this.server.sessions]
  }

  dispose(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true })
  }
}
