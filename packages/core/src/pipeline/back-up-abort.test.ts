import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BackUpBench } from './__fixtures__/back-up-bench.ts'

let bench: BackUpBench
beforeEach(async () => {
  bench = await BackUpBench.create()
})
afterEach(() => bench.dispose())

describe('an abort', () => {
  test('beforehand has no effect at all', async () => {
    await expect(bench.run({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(bench.calls.names).toEqual([])
    expect(await bench.kept()).toEqual([])
    expect(bench.events.map(({ type }) => type)).toEqual(['started', 'finished'])
    expect(bench.outcome).toBe('aborted')
  })

  test.each([
    'listed',
    'capture begun',
    'stage begun',
    'copy begun',
    'store begun',
    'written a',
    'stored a/data',
    'written b',
    'copy ended',
  ])('at "%s" commits nothing, leaves nothing and lets go of the server', async (moment) => {
    const controller = new AbortController()
    bench.calls.at = (name) => {
      if (name === moment) controller.abort()
    }
    await expect(bench.run({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(bench.repository.backups).toEqual([])
    expect(bench.calls.names).not.toContain('confirmed')
    expect(bench.calls.names.filter((name) => name === 'capture disposed')).toHaveLength(
      bench.calls.names.includes('capture begun') ? 1 : 0,
    )
    expect(await bench.kept()).toEqual([])
    expect(bench.outcome).toBe('aborted')
  })

  test('after the seal keeps the sealed stage for the next run', async () => {
    const controller = new AbortController()
    bench.calls.at = (name) => {
      if (name === 'sealed') controller.abort()
    }
    await expect(bench.run({ signal: controller.signal, parts: { id: 'first' } })).rejects.toMatchObject({
      code: 'ABORTED',
      hint: expect.stringContaining('kept in the staging; the next run of this job sends it first'),
    })
    expect(bench.repository.backups).toEqual([])
    expect(await bench.kept()).toEqual(['first'])
  })

  test('after the commit: the backup is there, not confirmed, and said so', async () => {
    const controller = new AbortController()
    bench.calls.at = (name) => {
      if (name === 'record written') controller.abort()
    }
    const report = await bench.run({ signal: controller.signal })
    expect(report).toMatchObject({ confirmed: false, problems: [{ code: 'ABORTED' }] })
    expect(bench.calls.names).not.toContain('confirmed')
    expect(bench.calls.names.slice(-3)).toEqual(['capture disposed', 'stage removed', 'stage disposed'])
  })
})
