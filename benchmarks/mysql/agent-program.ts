import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { type Backup, type CaptureRequest, createDirectoryStaging, createRunId, type Source } from '@backup-planet/core'
import { keepMemoryLean } from '../../packages/cli/src/lean-memory.ts'

/**
 * `node agent-program.ts dump|logs FOLDER PORT LEVEL-OR-FIRST-BINLOG`, with the password in BENCH_PASSWORD: what the agent alone does, into a folder, as
 * mydumper does it. With every check that a backup has: rows compared with the server's count, SHA-256 of every file, everything on
 * the disk for certain.
 */
keepMemoryLean()
const [verb, folder = '', port = '', choice = ''] = process.argv.slice(2)
const connection = { host: '127.0.0.1', port: Number(port), user: 'root', password: process.env.BENCH_PASSWORD ?? '' }

if (verb === 'dump') {
  const settings = { ...connection, threads: 2, includeSchemas: ['bench'], users: false, compressionLevel: Number(choice) }
  await capture(settings, { job: 'bench', kind: 'full', chain: [] })
} else if (verb === 'logs') {
  await capture({ ...connection, binlogFetch: 'dump' }, { job: 'bench', kind: 'log', chain: [await fullAt(choice)] })
} else throw new Error(`unknown verb ${verb}`)

async function capture(settings: Parameters<typeof createMysqlAgent>[0], request: CaptureRequest): Promise<void> {
  await using agent = createMysqlAgent(settings)
  const staging = createDirectoryStaging({ directory: folder })
  const began = new Date()
  await using stage = await staging.begin({ job: request.job, id: createRunId(began), beganAt: began.toISOString() })
  await using captured = await agent.beginCapture(request)
  if (captured.facts.kind !== request.kind) throw new Error(`a ${captured.facts.kind} backup instead: ${captured.facts.reason}`)
  await captured.copyTo(stage.stage)
  const { reason: _, ...facts } = captured.facts
  await stage.stage.seal(facts)
}

/** A full backup that ended where the first binlog begins. */
async function fullAt(binlog: string): Promise<Backup> {
  await using agent = createMysqlAgent(connection)
  let source: Source | undefined
  for await (const found of agent.discover()) source = found
  if (source === undefined) throw new Error('there is no server')
  const at = new Date(Date.now() - 3_600_000).toISOString()
  return {
    format: 'backup-planet/manifest/1',
    id: createRunId(new Date(at)),
    job: 'bench',
    application: 'mysql',
    agent: { version: agent.version },
    source: { id: source.id, name: source.name, version: source.version },
    kind: 'full',
    status: 'complete',
    beganAt: at,
    consistentAt: at,
    endedAt: at,
    position: { chain: source.id, value: { file: binlog, offset: '4', gtid: '' } },
    items: [{ item: 'bench', facts: {} }],
    facts: {},
    storage: {},
  }
}
