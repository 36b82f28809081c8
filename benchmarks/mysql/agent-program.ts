import { readFile, writeFile } from 'node:fs/promises'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { type Backup, type CaptureFacts, type CaptureRequest, createDirectoryStaging, createRunId } from '@backup-planet/core'
import { keepMemoryLean } from '../../packages/cli/src/lean-memory.ts'

/**
 * `node agent-program.ts dump FOLDER PORT LEVEL`, `… full FOLDER PORT BACKUP` and `… logs FOLDER PORT BACKUP`, with the password in BENCH_PASSWORD: what
 * the agent alone does, into a folder, as mydumper does it. With every check that a backup has: rows compared with the server's count, SHA-256 of every
 * file, everything on the disk for certain. BACKUP is the file in which `full` records where logs begin.
 */
keepMemoryLean()
const [verb, folder = '', port = '', choice = ''] = process.argv.slice(2)
const connection = { host: '127.0.0.1', port: Number(port), user: 'root', password: process.env.BENCH_PASSWORD ?? '' }

if (verb === 'dump') {
  const settings = { ...connection, threads: 2, includeSchemas: ['bench'], users: false, compressionLevel: Number(choice) }
  await capture(settings, { job: 'bench', kind: 'full', chain: [] })
} else if (verb === 'full') {
  const settings = { ...connection, includeSchemas: ['logged'], users: false, binlogRotate: false }
  const began = new Date()
  await writeFile(choice, JSON.stringify(recorded(began, await capture(settings, { job: 'bench', kind: 'full', chain: [] }))))
} else if (verb === 'logs') {
  const full: Backup = JSON.parse(await readFile(choice, 'utf8'))
  await capture({ ...connection, binlogFetch: 'dump' }, { job: 'bench', kind: 'log', chain: [full] })
} else throw new Error(`unknown verb ${verb}`)

async function capture(settings: Parameters<typeof createMysqlAgent>[0], request: CaptureRequest): Promise<CaptureFacts> {
  await using agent = createMysqlAgent(settings)
  const staging = createDirectoryStaging({ directory: folder })
  const began = new Date()
  await using stage = await staging.begin({ job: request.job, id: createRunId(began), beganAt: began.toISOString() })
  await using captured = await agent.beginCapture(request)
  if (captured.facts.kind !== request.kind) throw new Error(`a ${captured.facts.kind} backup instead: ${captured.facts.reason}`)
  await captured.copyTo(stage.stage)
  const { reason: _, ...facts } = captured.facts
  await stage.stage.seal(facts)
  return facts
}

/** The full backup as a repository would tell of it. */
function recorded(began: Date, captured: CaptureFacts): Backup {
  const { application, source, kind, consistentAt, position, facts } = captured
  if (position === undefined) throw new Error('the full backup has no position for logs to begin at')
  return {
    format: 'backup-planet/manifest/1',
    id: createRunId(began),
    job: 'bench',
    application,
    agent: { version: '' },
    source,
    kind,
    status: 'complete',
    beganAt: began.toISOString(),
    consistentAt,
    endedAt: new Date().toISOString(),
    position,
    items: [{ item: 'logged', facts: {} }],
    facts,
    storage: {},
  }
}
