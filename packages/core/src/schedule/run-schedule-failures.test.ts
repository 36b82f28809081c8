import { describe, expect, test } from 'vitest'
import { abortError, BackupError } from '../errors/backup-error.ts'
import { failing, Machine, minutes, policyOf, resultOf, throwing } from './__fixtures__/schedule-machine.ts'

describe('what goes wrong does not end it', () => {
  test.each([
    ['a state that cannot be read', { state: { load: failing(new Error('no')), save: failing(new Error('no')) } }],
    ['a listener that throws', { onEvent: throwing }],
    ['a history that cannot be recalled', { recall: failing(new BackupError('away', { code: 'UNREACHABLE' })) }],
  ] as const)('%s', async (_, setting) => {
    const machine = new Machine(setting).start()
    await machine.pass(30 * minutes)
    await machine.stop()
    expect(machine.runs).toHaveLength(2)
  })

  test('a run that fails is told, tried again after a wait that doubles, and given up', async () => {
    const retries = { times: 2, waitSeconds: 60 }
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { retries })],
      execute: failing(new BackupError('server away', { code: 'UNREACHABLE', hint: 'Start it.' })),
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .map(({ run, outcome, retryAt, givenUp, failure }) => [
          run.attempt,
          run.beganAt.slice(11, 19),
          outcome,
          retryAt?.slice(11, 19),
          givenUp,
          failure?.message,
        ]),
    ).toEqual([
      [1, '02:00:00', 'failed', '02:01:00', false, 'server away'],
      [2, '02:01:00', 'failed', '02:03:00', false, 'server away'],
      [3, '02:03:00', 'failed', undefined, true, 'server away'],
    ])
  })

  test.each([
    [new BackupError('wrong', { code: 'WRONG_CREDENTIALS' }), 1, true],
    [new TypeError('a bug'), 6, false],
  ])('%s is tried as often as it may help', async (error, attempts, givenUp) => {
    const machine = new Machine({ policies: [policyOf('shop', { full: '0 2 * * *' })], execute: failing(error) }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toHaveLength(attempts)
    expect(machine.of('run-ended').at(-1)).toMatchObject({
      givenUp,
      lasting: true,
      failure: { message: expect.stringContaining(error.message) },
    })
  })

  test('a slot is tried until its next one comes due, which takes its place: it lasts from the fourth time on', async () => {
    let running = 0
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2,8 * * *' })],
      execute: async () => {
        if (++running > 1) throw new TypeError('two at once')
        await machine.clock.wait(1000)
        running--
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(6.25 * 60 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended')
    expect(ended.map(({ run }) => `${run.beganAt.slice(11, 16)} ${run.slot.slice(11, 13)} x${run.slots} ${run.attempt}`)).toEqual([
      ...['02:00', '02:01', '02:03', '02:07', '02:15', '02:31', '03:03', '04:03', '05:03', '06:03', '07:03'].map(
        (at, index) => `${at} 02 x1 ${index + 1}`,
      ),
      '08:00 08 x2 1',
      '08:01 08 x2 2',
      '08:03 08 x2 3',
    ])
    expect(ended.map(({ lasting }) => lasting)).toEqual([...Array(3).fill(false), ...Array(8).fill(true), ...Array(3).fill(false)])
    expect(ended.some(({ givenUp }) => givenUp)).toBe(false)
    expect(ended[10]?.retryAt).toBe('2026-12-06T08:00:00.000Z')
  })

  test('a slot whose next one comes before its fourth attempt has failed lastingly too', async () => {
    const machine = new Machine({
      policies: [policyOf('shop', { log: '*/5 * * * *' })],
      execute: failing(new BackupError('away', { code: 'UNREACHABLE' })),
    }).start()
    await machine.pass(21 * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .slice(0, 7)
        .map(({ run, lasting }) => [run.beganAt.slice(14, 16), lasting]),
    ).toEqual([
      ['55', false],
      ['56', false],
      ['58', true],
      ['00', false],
      ['01', false],
      ['03', true],
      ['05', false],
    ])
  })

  test('a slot that cannot be tried again before its next one, since its window has closed, has failed lastingly', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { windows: [{ from: '02:00', to: '03:00' }] })],
      execute: async () => {
        await machine.clock.wait(90 * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(26 * 60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended').map(({ run, lasting, retryAt }) => [run.slot, run.attempt, lasting, retryAt])).toEqual([
      ['2026-12-06T02:00:00.000Z', 1, true, '2026-12-07T02:00:00.000Z'],
      ['2026-12-07T02:00:00.000Z', 1, true, '2026-12-08T02:00:00.000Z'],
    ])
  })

  test.each([
    [14, [false, true]],
    [600, [true, true]],
  ])('a slot whose attempts fail after %d minutes each has failed lastingly after a quarter of an hour', async (takes, lasting) => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * 0' })],
      execute: async () => {
        await machine.clock.wait(takes * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass((2 * takes + 15) * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .slice(0, 2)
        .map((event) => event.lasting),
    ).toEqual(lasting)
  })

  test('a slot that is tried again when a window opens is not', async () => {
    const windows = [
      { from: '02:00', to: '02:01' },
      { from: '02:10', to: '03:00' },
    ]
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { windows })],
      execute: failing(new BackupError('away', { code: 'UNREACHABLE' })),
    }).start()
    await machine.pass(20 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended').map(({ lasting, retryAt }) => [lasting, retryAt])
    expect(ended[0]).toEqual([false, '2026-12-06T02:10:00.000Z'])
  })

  test('a slot whose next one came due while it ran is tried again now, and not before', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { log: '*/5 * * * *' })],
      execute: async () => {
        await machine.clock.wait(7 * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(13 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')[0]).toMatchObject({ lasting: true, retryAt: '2026-12-06T02:02:00.000Z' })
  })

  test('a slot has failed lastingly at once where the one before it failed, was told to nobody, and found no place for another attempt', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '*/10 * * * *' }), policyOf('long', { full: '0 2 * * *' })],
      concurrency: 1,
      execute: async (run) => {
        if (run.job === 'shop') throw new BackupError('away', { code: 'UNREACHABLE' })
        await machine.clock.wait(10.5 * minutes)
        return resultOf(run)
      },
    }).start()
    await machine.pass(31 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended').filter(({ run }) => run.job === 'shop')
    expect(ended.map(({ run, lasting }) => [run.beganAt.slice(14, 19), run.attempt, lasting])).toEqual([
      ['00:00', 1, false],
      ['10:30', 1, true],
      ['11:30', 2, true],
      ['13:30', 3, true],
      ['17:30', 4, true],
      ['20:00', 1, false],
    ])
  })

  test('a mistake around a run is told, and does not keep the processor busy', async () => {
    const machine = new Machine({
      lease: async (job) => ({
        job,
        signal: new AbortController().signal,
        isHeld: () => true,
        release: failing(new TypeError('a bug')),
        [Symbol.asyncDispose]: failing(new TypeError('a bug')),
      }),
    }).start()
    await machine.pass(41 * minutes)
    await machine.stop()
    expect(machine.runs).toHaveLength(3)
    expect(machine.of('schedule-broken')).toHaveLength(3)
  })

  test('a run that ends with a failure of its own, such as a drill that does not pass, is told and not tried again', async () => {
    const failure = { severity: 'error', code: 'CORRUPTED', message: 'rows are missing', hint: 'Look at it.' } as const
    const machine = new Machine({
      policies: [policyOf('shop', { drill: '0 2 * * *' })],
      execute: async () => ({ outcome: 'failed', failure }),
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([{ outcome: 'failed', failure, givenUp: true }])
  })

  test('a run that takes too long is stopped, and has failed', async () => {
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { maximumDurationSeconds: 600, retries: { times: 0, waitSeconds: 1 } })],
      takes: 3_600_000,
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([
      {
        outcome: 'failed',
        seconds: 600,
        givenUp: true,
        failure: { code: 'TIMED_OUT', message: 'the full of job "shop" took longer than 600 seconds, and was stopped' },
      },
    ])
  })
})

test('a run that is cut and slow to end has failed, though the schedule is stopped meanwhile', async () => {
  const machine: Machine = new Machine({
    policies: [policyOf('shop', { full: '0 2 * * *' }, { maximumDurationSeconds: 600 })],
    execute: async (_run, { signal }) => {
      await machine.clock.wait(3_600_000, signal)
      await machine.clock.wait(5 * minutes)
      throw abortError(signal, 'the backup')
    },
  }).start()
  await machine.pass(22 * minutes)
  await machine.stop()
  expect(machine.of('run-ended')).toMatchObject([
    { outcome: 'failed', retryAt: expect.any(String), failure: { code: 'TIMED_OUT', hint: expect.stringContaining('maximumDuration') } },
  ])
  expect(machine.saved?.jobs.shop?.tasks.full).toMatchObject({ attempts: { failures: 1 }, lastRun: { outcome: 'failed' } })
})
