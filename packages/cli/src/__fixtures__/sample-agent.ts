import {
  type Agent,
  type AgentPlugin,
  abortError,
  BackupError,
  type Capture,
  type CaptureFacts,
  type OperationOptions,
  type Problem,
  parseSettings,
  type RestoredFiles,
  type RestorePlan,
  type RestoreReport,
  type RestoreRequest,
  type Stage,
  throwIfAborted,
} from '@backup-planet/core'
import * as z from 'zod'

/** A server whose databases are texts in memory, so that commands can be tried without one. */
export interface SampleServer {
  readonly databases: Map<string, string>
  /** What the server does wrong. */
  fault?:
    | 'unreachable'
    | 'one-item-fails'
    | 'hangs'
    | 'leaks-password'
    | 'wrong-checks'
    | 'breaks-when-aborted'
    | 'one-restore-fails'
    | 'deaf'
  problems: Problem[]
  /** Found by the plan of a restore, while it runs, and in its report. */
  restoreProblems: Problem[]
  confirmed: number
  /** Awaited before anything is copied. */
  beforeCopy?: () => Promise<unknown>
  /** Called when a capture hangs, so that a test need not guess when. */
  onHang?: () => void
}

export function sampleServer(databases: Readonly<Record<string, string>>): SampleServer {
  return { databases: new Map(Object.entries(databases)), problems: [], restoreProblems: [], confirmed: 0 }
}

const schema = z.strictObject({ host: z.string().default('sample'), password: z.string().optional() })

export function samplePlugin(server: SampleServer): AgentPlugin {
  return {
    contract: 'agent-plugin/1',
    application: 'sample',
    exampleSettings: `# Where the server is.\nhost: sample\n# The password of its account.\npassword: "\${env:SAMPLE_PASSWORD}"\n`,
    create: (settings) => sampleAgent(server, parseSettings(schema, settings, 'settings')),
  }
}

function sampleAgent(server: SampleServer, { host, password = '' }: z.output<typeof schema>): Agent {
  const connect = () => {
    if (server.fault === 'unreachable') throw new BackupError(`nobody answers at ${host}`, { code: 'UNREACHABLE' })
    if (server.fault === 'leaks-password') throw new Error(`login of root:${password} refused (${JSON.stringify({ password })})`)
  }
  const wanted = (items: readonly string[] | undefined) => {
    const unknown = items?.find((item) => !server.databases.has(item))
    if (unknown !== undefined) throw new BackupError(`there is no database "${unknown}"`, { code: 'NOT_FOUND' })
    return items ?? [...server.databases.keys()]
  }
  return {
    contract: 'agent/1',
    application: 'sample',
    version: '1.0.0',
    supports: { kinds: ['full'], pointInTime: false, rename: true },
    async *discover(options) {
      connect()
      if (server.fault === 'breaks-when-aborted') await hang(server, options?.signal)
      const items = [...server.databases].map(([name, text]) => ({ name, bytes: text.length, detail: '1 text' }))
      yield { id: host, name: host, version: '1.0', items, facts: {} }
    },
    async check() {
      connect()
      return server.problems
    },
    async plan({ kind, items, chain }) {
      connect()
      const reason = chain.length === 0 ? {} : { reason: `it follows ${chain.map(({ status }) => status).join(', ')}` }
      const steps = [
        { number: 1, text: 'hold the texts' },
        { number: 2, text: 'copy them' },
      ]
      return { application: 'sample', source: host, kind, items: wanted(items).map((name) => ({ name })), bytes: 12, steps, ...reason }
    },
    async beginCapture({ kind, items }, options) {
      throwIfAborted(options?.signal, 'the capture')
      connect()
      return sampleCapture(server, wanted(items), {
        application: 'sample',
        source: { id: host, name: host, version: '1.0' },
        kind,
        consistentAt: new Date().toISOString(),
        facts: {},
        restoreGuide: 'Print the files.',
      })
    },
    async planRestore(request) {
      connect()
      return planOf(server, host, request)
    },
    restore: (plan, files, options) => restoreTo(server, plan, files, options),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function sampleCapture(server: SampleServer, items: readonly string[], facts: CaptureFacts): Capture {
  return {
    facts,
    async copyTo(stage: Stage, options?: OperationOptions) {
      await server.beforeCopy?.()
      if (server.fault === 'deaf') await hang(server, undefined)
      for (const item of items) {
        const text = server.databases.get(item) ?? ''
        options?.onProgress?.({ type: 'item', phase: 'capture', item, state: 'begun', bytesTotal: text.length })
        if (server.fault === 'hangs' || server.fault === 'breaks-when-aborted') await hang(server, options?.signal)
        if (server.fault === 'one-item-fails' && item === items[0]) {
          await stage.failItem(item, { code: 'APPLICATION', message: `"${item}" is marked as crashed`, hint: `Repair ${item}.` })
          continue
        }
        await stage.write({ item, name: 'text.txt' }, bytesOfText(text), options)
        options?.onProgress?.({ type: 'bytes', phase: 'capture', item, bytes: text.length })
        await stage.sealItem({ item, bytes: text.length, facts: {} })
        options?.onProgress?.({ type: 'item', phase: 'capture', item, state: 'ended' })
      }
    },
    async confirm() {
      server.confirmed++
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function* bytesOfText(text: string) {
  yield Buffer.from(text)
}

function hang(server: SampleServer, signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    // As the socket to a real server does: without anything open, Node.js would end the process.
    const open = setInterval(() => undefined, 60_000)
    signal?.addEventListener(
      'abort',
      () => {
        clearInterval(open)
        reject(server.fault === 'hangs' ? abortError(signal, 'the capture') : new Error('socket closed'))
      },
      { once: true },
    )
    server.onHang?.()
  })
}

function planOf(server: SampleServer, host: string, { backups, items, target }: RestoreRequest): RestorePlan {
  const { rename = {}, overwrite, options = {} } = target
  const planned = backups.flatMap((backup) =>
    backup.items
      .filter(({ item, failure }) => failure === undefined && (items === undefined || items.includes(item)))
      .map(({ item }) => {
        const to = rename[item] ?? item
        return { item, to, backup: backup.id, overwrites: server.databases.has(to) ? [to] : [] }
      }),
  )
  const replaced = planned.flatMap(({ overwrites }) => overwrites)
  const refused: Problem = {
    severity: 'error',
    code: 'ALREADY_EXISTS',
    message: `${replaced.join(', ')} is there`,
    hint: 'Pass --overwrite, or --rename it.',
  }
  return {
    contract: 'restore-plan/1',
    id: 'plan',
    application: 'sample',
    backups: backups.map(({ id }) => id),
    target: { id: host, name: host, fingerprint: replaced.join() },
    items: planned,
    steps: [{ number: 1, text: 'write the texts' }],
    problems: [...server.restoreProblems, ...(replaced.length > 0 && !overwrite ? [refused] : [])],
    request: { rename, overwrite, options },
  }
}

async function restoreTo(
  server: SampleServer,
  plan: RestorePlan,
  files: RestoredFiles,
  options?: OperationOptions,
): Promise<RestoreReport> {
  const wanted = new Map(plan.items.map(({ item, to }) => [item, to]))
  const restored: RestoreReport['items'][number][] = []
  for await (const file of files.stream(({ item }) => wanted.has(item), options)) {
    const chunks: Uint8Array[] = []
    for await (const chunk of file.open()) chunks.push(chunk)
    await file.release()
    const to = wanted.get(file.item) ?? file.item
    if (server.fault === 'one-restore-fails' && restored.length === 0) {
      restored.push({
        item: file.item,
        to,
        failure: { code: 'APPLICATION', message: 'the disk of the server broke' },
        checks: [],
        facts: {},
      })
      continue
    }
    server.databases.set(to, Buffer.concat(chunks).toString())
    const passed = server.fault !== 'wrong-checks'
    restored.push({
      item: file.item,
      to,
      checks: [{ name: 'length', expected: String(file.size), found: passed ? String(file.size) : '0', passed }],
      facts: {},
    })
  }
  for (const problem of server.restoreProblems) options?.onProgress?.({ type: 'problem', problem })
  return { items: restored, problems: server.restoreProblems }
}
