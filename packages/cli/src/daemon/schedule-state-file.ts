import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ScheduleState, type ScheduleStateStore, scheduleTasks } from '@backup-planet/core'
import * as z from 'zod'

const format = 'backup-planet/schedule-state/1'

const taskSchema = z.object({
  settledUntil: z.number(),
  running: z.object({ slot: z.number(), beganAt: z.number() }).exactOptional(),
  attempts: z
    .object({
      slot: z.number(),
      failures: z.number(),
      interruptions: z.number(),
      notBefore: z.number(),
      failingSince: z.number().exactOptional(),
      lasting: z.literal(true).exactOptional(),
      untoldBefore: z.literal(true).exactOptional(),
    })
    .exactOptional(),
  lastRun: z
    .object({ slot: z.number(), beganAt: z.number(), endedAt: z.number(), outcome: z.enum(['done', 'partial', 'failed', 'aborted']) })
    .exactOptional(),
  schedule: z.object({ expression: z.string(), timezone: z.string() }).exactOptional(),
})

const stateSchema = z.object({
  format: z.literal(format),
  jobs: z.record(z.string(), z.object({ watchedSince: z.number(), tasks: z.partialRecord(z.enum(scheduleTasks), taskSchema) })),
})

export function scheduleStateFile(stagingDirectory: string): string {
  return join(stagingDirectory, 'schedule.json')
}

/**
 * What was run, in one small file of JSON that may be removed at any time: what the repository knows takes its place. Replaced in one step, so that it is
 * never half of one; one that cannot be understood is taken for none.
 */
export function scheduleStateStore(stagingDirectory: string): ScheduleStateStore {
  const file = scheduleStateFile(stagingDirectory)
  return {
    load: () => readScheduleState(stagingDirectory),
    async save({ jobs }) {
      await mkdir(stagingDirectory, { recursive: true, mode: 0o700 })
      const written = `${file}.${randomBytes(6).toString('hex')}.part`
      try {
        await writeFile(written, `${JSON.stringify({ format, jobs }, undefined, 2)}\n`, { mode: 0o600 })
        await rename(written, file)
      } catch (error) {
        await rm(written, { force: true })
        throw error
      }
    },
  }
}

export async function readScheduleState(stagingDirectory: string): Promise<ScheduleState | undefined> {
  let text: string
  try {
    text = await readFile(scheduleStateFile(stagingDirectory), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const parsed = stateSchema.safeParse(jsonOf(text))
  return parsed.success ? { jobs: parsed.data.jobs } : undefined
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
