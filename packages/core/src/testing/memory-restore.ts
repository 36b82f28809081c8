import { createHash } from 'node:crypto'
import type {
  Agent,
  OperationOptions,
  Problem,
  RestoredFile,
  RestoredFileFacts,
  RestoredItem,
  RestorePlan,
  RestorePlanItem,
} from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { abortable } from '../uploaders/checked-content.ts'
import type { MemoryApplication, MemoryChange } from './memory-application.ts'
import { assertStop, beginOfLast, firstLeftOut } from './memory-stop.ts'

/** The restoring half of the memory agent. */
export function createMemoryRestore(application: MemoryApplication): Pick<Agent, 'planRestore' | 'restore'> {
  /** The plan that was begun and not ended, and how the target was when its last item had been restored. */
  let begun: { readonly plan: string; readonly done: Set<string>; fingerprint: string } | undefined

  return {
    async planRestore(request, options = {}) {
      throwIfAborted(options.signal, 'restore plan')
      for (const option of Object.keys(request.target.options ?? {})) {
        throw new BackupError(`restore option ${option} is unknown`, {
          code: 'INVALID_INPUT',
          hint: 'Leave the option out; the memory agent has none.',
        })
      }
      const last = request.backups.at(-1)
      if (request.backups[0]?.kind !== 'full' || last === undefined) {
        throw new BackupError('a restore begins with a full backup', {
          code: 'INVALID_INPUT',
          hint: 'Give the full first, then what follows it.',
        })
      }
      assertStop(request)
      const all = request.backups.flatMap((backup) => backup.items)
      const failed = new Set(all.flatMap((item) => (item.failure === undefined ? [] : [item.item])))
      const whole = [...new Set(all.map((item) => item.item))].filter((item) => !failed.has(item))
      const items: RestorePlanItem[] = []
      const problems: Problem[] = []
      for (const item of request.items ?? whole) {
        if (!whole.includes(item)) {
          throw new BackupError(`item ${item} is not in backup ${last.id}`, {
            code: 'NOT_FOUND',
            hint: 'Choose an item that the backup lists as whole.',
          })
        }
        const to = request.target.rename?.[item] ?? item
        const exists = application.items.has(to)
        items.push({ item, to, backup: last.id, overwrites: exists ? [to] : [] })
        if (exists && !request.target.overwrite) {
          const hint = `Allow overwriting, or restore ${item} under another name.`
          problems.push({ severity: 'error', code: 'ALREADY_EXISTS', message: `${to} exists on the target`, hint, item })
        }
      }
      const plan: Omit<RestorePlan, 'id'> = {
        contract: 'restore-plan/1',
        application: 'memory',
        backups: request.backups.map((backup) => backup.id),
        target: { id: application.id, name: `memory:${application.id}`, fingerprint: application.fingerprint() },
        items,
        steps: items.map((item, index) => ({ number: index + 1, text: `write ${item.to}` })),
        ...(request.stop === undefined ? {} : { facts: { begins: beginOfLast(request) } }),
        problems,
        request: {
          rename: request.target.rename ?? {},
          overwrite: request.target.overwrite,
          options: {},
          ...(request.stop === undefined ? {} : { stop: request.stop }),
        },
      }
      return { ...plan, id: createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 16) }
    },

    async restore(plan, files, options = {}) {
      throwIfAborted(options.signal, 'restore')
      for (const problem of plan.problems) {
        if (problem.severity === 'error') throw new BackupError(problem.message, { code: problem.code, hint: problem.hint })
      }
      const resumed = begun?.plan === plan.id ? begun : undefined
      if (application.id !== plan.target.id || application.fingerprint() !== (resumed?.fingerprint ?? plan.target.fingerprint)) {
        throw new BackupError(`the target ${plan.target.name} has changed since the restore was planned`, {
          code: 'CONFLICT',
          hint: 'Nothing was changed. Plan the restore again and look at what it would overwrite.',
        })
      }
      const state = resumed ?? { plan: plan.id, done: new Set<string>(), fingerprint: plan.target.fingerprint }
      begun = state
      const session = application.connect('restore')
      const restored: RestoredItem[] = []
      try {
        const contents = new Map<string, Buffer | undefined>()
        const wanted = new Map(plan.items.filter((item) => !state.done.has(item.item)).map((item) => [item.item, item]))
        for (const id of plan.backups) {
          const stop = id === plan.backups.at(-1) ? plan.request.stop : undefined
          // Where a log stops depends on the changes of all items.
          const select = (file: RestoredFileFacts) => file.backup === id && (stop !== undefined || wanted.has(file.item))
          const logs = new Map<string, readonly MemoryChange[]>()
          for await (const file of files.stream(select, options)) {
            const bytes = await contentOf(file, options)
            if (file.name === 'content') contents.set(file.item, bytes)
            else logs.set(file.item, JSON.parse(bytes.toString('utf8')) as MemoryChange[])
          }
          const end =
            stop === undefined ? Number.POSITIVE_INFINITY : firstLeftOut([...logs.values()].flat(), stop, Number(plan.facts?.begins))
          for (const [item, changes] of logs) {
            const applied = changes.filter(({ sequence }) => sequence < end)
            contents.set(item, replay(contents.get(item), applied))
          }
        }
        for (const item of wanted.values()) {
          throwIfAborted(options.signal, `restore of ${item.item}`)
          const content = contents.get(item.item)
          if (content === undefined) application.remove(item.to)
          else application.write(item.to, content)
          state.done.add(item.item)
          state.fingerprint = application.fingerprint()
          options.onProgress?.({ type: 'item', phase: 'restore', item: item.item, state: 'ended' })
        }
        for (const item of plan.items) {
          const found = String(application.items.get(item.to)?.length ?? 'none')
          restored.push({ item: item.item, to: item.to, checks: [{ name: 'bytes', expected: found, found, passed: true }], facts: {} })
        }
      } finally {
        session.disconnect()
      }
      begun = undefined
      return { items: restored, problems: [] }
    },
  }
}

function replay(content: Buffer | undefined, changes: readonly MemoryChange[]): Buffer | undefined {
  const last = changes.at(-1)
  if (last === undefined) return content
  return last.content === undefined ? undefined : Buffer.from(last.content, 'base64')
}

async function contentOf(file: RestoredFile, options: OperationOptions): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of abortable(file.open(), `restore of ${file.item}`, options)) chunks.push(chunk)
  await file.release()
  return Buffer.concat(chunks)
}
