import { BackupError, type Progress } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { serverRow } from '../mysql-rows.ts'
import { endedUnloggedRestore, FollowWatch, isCertainlyBefore } from './follow-watch.ts'

const now = '2026-03-01T10:00:00.000Z'
type Row = readonly (string | null)[]

/** Answers with one of these after the other, the last one again and again; each is the last restore that there was. */
function server(...restores: (Row | undefined | Error)[]) {
  let at = 0
  return {
    async rows(sql: string) {
      if (!sql.includes('backup_planet_unlogged')) return [serverRow(['time'], ['2026-03-01T10:00:00.000000'], sql)]
      const answer = restores[Math.min(at++, restores.length - 1)]
      if (answer instanceof Error) throw answer
      return answer === undefined ? [] : [serverRow(['began_at', 'ended_at'], [...answer], sql)]
    },
  }
}

const began = '2026-03-01T09:59:00.000000'
const ended = '2026-03-01T09:59:30.000000'
const restored = { beganAt: '2026-03-01T09:59:00.000Z', endedAt: '2026-03-01T09:59:30.000Z' }

describe('FollowWatch', () => {
  it('names a restore that was not there before, and one that was there only when another took its place', async () => {
    expect(await new FollowWatch(server([began, null]), undefined, now).look()).toEqual({ now, restored: { beganAt: restored.beganAt } })
    expect(await new FollowWatch(server([began, ended]), restored, now).look()).toEqual({ now })
    expect(await new FollowWatch(server([ended, null]), restored, now).look()).toMatchObject({ restored: { beganAt: restored.endedAt } })
  })

  it('knows up to when there was none', async () => {
    const watch = new FollowWatch(server(undefined, [began, ended]), undefined, '2026-03-01T08:00:00.000Z')
    expect(watch.clearUntil).toBe('2026-03-01T08:00:00.000Z')
    await watch.look()
    expect(watch.clearUntil).toBe(now)
  })

  it('ends with why nothing can be followed: a restore, or a server that cannot be asked', async () => {
    const { signal } = new AbortController()
    expect(await new FollowWatch(server(undefined, undefined, [began, ended]), undefined, now).untilRestored(signal, 1)).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('a restore that was not written to the binlogs ended at 2026-03-01T09:59:30.000Z'),
    })
    const lost = new BackupError('the connection was lost', { code: 'UNREACHABLE' })
    expect(await new FollowWatch(server(lost), undefined, now).untilRestored(signal, 1)).toBe(lost)
    expect(await new FollowWatch(server(undefined), undefined, now).untilRestored(AbortSignal.abort(), 1)).toBeUndefined()
  })
})

it('takes for written before a restore only what no clock of whole seconds could have stamped after its beginning', () => {
  const beganAt = '2026-03-01T10:00:05.500Z'
  const at = (time: string) => isCertainlyBefore(Date.parse(time), { beganAt }, '2026-03-01T10:01:00.000Z')
  expect(['2026-03-01T10:00:03.000Z', '2026-03-01T10:00:04.900Z', '2026-03-01T10:00:05.000Z', '2026-03-01T10:00:06.000Z'].map(at)).toEqual([
    true,
    true,
    false,
    false,
  ])
  expect(isCertainlyBefore(undefined, { beganAt }, '2026-03-01T10:01:00.000Z')).toBe(false)
  // A clock that was set back since the restore began stamps what came after it with times of before.
  expect(isCertainlyBefore(Date.parse('2026-03-01T09:00:00.000Z'), { beganAt }, '2026-03-01T09:30:00.000Z')).toBe(false)
})

describe('a restore that goes on', () => {
  const told: Progress[] = []
  const onProgress = (progress: Progress) => void told.push(progress)

  it('is waited for, and that is said once', async () => {
    const asked = server([began, null], [began, null], [began, ended])
    expect(await endedUnloggedRestore(asked, { onProgress }, { pause: 1 })).toEqual(restored)
    expect(told).toEqual([{ type: 'problem', problem: expect.objectContaining({ message: expect.stringContaining('has not ended') }) }])
  })

  it('ends following with what somebody has to do where it does not end in good time', async () => {
    await expect(endedUnloggedRestore(server([began, null]), {}, { pause: 1, longest: 10 })).rejects.toMatchObject({
      code: 'INCONSISTENT',
      retryable: false,
      message: expect.stringContaining(`began at ${restored.beganAt} and has not ended`),
      hint: expect.stringMatching(/restore again with binlog: false.*DROP DATABASE IF EXISTS backup_planet_unlogged/),
    })
  })

  it('is given back as it is when waiting is aborted', async () => {
    expect(await endedUnloggedRestore(server([began, null]), { signal: AbortSignal.abort() })).toEqual({ beganAt: restored.beganAt })
  })
})
