import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as z from 'zod'
import { withMissed } from '../rules/missed-messages.ts'
import { emptyNotificationState, type NotificationState, notificationStateSchema } from '../rules/notification-state.ts'
import type { DeliveryChange } from './delivery-rules.ts'
import { type DeliveryState, deliveryStateSchema, emptyDeliveryState } from './delivery-state.ts'
import { withFolderLock } from './folder-lock.ts'

/** Everything that is remembered: what was told and what is still to be sent belong together, so that nothing is told twice or not at all. */
export interface NotificationContent {
  readonly rules: NotificationState
  readonly delivery: DeliveryState
}

export interface NotificationStore {
  /** Changes the content all at once, for all processes that share it, and resolves with the result of the change. Never rejects for a disk. */
  update<Result>(change: (content: NotificationContent) => readonly [NotificationContent, Result]): Promise<Result>
}

/** The content behind a change of what is on its way: what was given up is noted where it is to be told again. */
export function withDelivery(
  content: NotificationContent,
  { state, remarks, givenUp }: DeliveryChange,
  warn: (text: string) => void,
): NotificationContent {
  for (const remark of remarks) warn(remark)
  const rules = withMissed(content.rules, givenUp)
  return rules === content.rules && state === content.delivery ? content : { rules, delivery: state }
}

export const emptyContent: NotificationContent = { rules: emptyNotificationState, delivery: emptyDeliveryState }

/** Of the file, which is JSON: its version, and both states. */
const fileSchema = z.object({ version: z.literal(1), rules: notificationStateSchema, delivery: deliveryStateSchema })

/**
 * Keeps the content in one small file of mode 0600, which may be deleted at any time, and is replaced all at once with each change. Several
 * processes may share it. Where it cannot be read or written that is said once, and the content is kept in memory until it can.
 *
 * @param file in a folder of its own; in memory only when left out
 */
export function createNotificationStore(file: string | undefined, warn: (text: string) => void): NotificationStore {
  let last: Promise<unknown> = Promise.resolve()
  /** What could not be written, or with no file ever is. */
  let unsaved: NotificationContent | undefined = file === undefined ? emptyContent : undefined
  /** As it was read last: what stands there is not forgotten where it cannot be written. */
  let known: NotificationContent = emptyContent
  let warned = false

  async function changeFile<Result>(
    path: string,
    change: (content: NotificationContent) => readonly [NotificationContent, Result],
  ): Promise<Result> {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const result = await withFolderLock(dirname(path), async () => {
        const found = await read(path)
        if (found === 'damaged' && unsaved === undefined) {
          warn(`${path} is damaged or of another release, and begun anew: what fails is told once more`)
        }
        const before = unsaved ?? (found === 'damaged' ? emptyContent : found)
        known = before
        const [next, answer] = change(before)
        if (next !== found) await replace(path, next)
        return answer
      })
      unsaved = undefined
      warned = false
      return result
    } catch (error) {
      if (!isOfDisk(error)) throw error
      if (!warned)
        warn(
          `what was told of backups cannot be noted in ${path} (${(error as NodeJS.ErrnoException).code}); it is kept in memory, and may be told once more later`,
        )
      warned = true
      const [next, answer] = change(unsaved ?? known)
      unsaved = next
      return answer
    }
  }

  return {
    update(change) {
      const turn = last.then(() => {
        if (file !== undefined) return changeFile(file, change)
        const [next, answer] = change(unsaved ?? emptyContent)
        unsaved = next
        return answer
      })
      last = turn.catch(() => undefined)
      return turn
    },
  }
}

async function read(path: string): Promise<NotificationContent | 'damaged'> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return emptyContent
    throw error
  }
  const parsed = fileSchema.safeParse(jsonOf(text))
  return parsed.success ? { rules: parsed.data.rules, delivery: parsed.data.delivery } : 'damaged'
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Under the lock of the folder, so that nobody else writes beside it. */
async function replace(path: string, content: NotificationContent): Promise<void> {
  const next = `${path}.next`
  const handle = await open(next, 'w', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(JSON.stringify({ version: 1, ...content }))
    await handle.datasync()
  } finally {
    await handle.close()
  }
  await rename(next, path)
}

/** Everything else is a mistake in this package, and must not be hidden. */
function isOfDisk(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && typeof (error as NodeJS.ErrnoException).code === 'string'
}
