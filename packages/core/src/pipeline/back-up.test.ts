import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { BackUpBench } from './__fixtures__/back-up-bench.ts'
import { addBackup, content, copyTwoItems } from './__fixtures__/recording-parts.ts'

let bench: BackUpBench
beforeEach(async () => {
  bench = await BackUpBench.create()
})
afterEach(() => bench.dispose())

describe('a backup that succeeds', () => {
  test('confirms after the record is written, then removes the stage and lets go of the server, in this order', async () => {
    const report = await bench.run()
    const order = [
      'stage begun',
      'capture begun',
      'copy begun',
      'copy ended',
      'sealed',
      'record written',
      'confirmed',
      'capture disposed',
      'stage removed',
      'stage disposed',
    ]
    expect(bench.calls.names.filter((name) => order.includes(name))).toEqual(order)
    expect(report).toMatchObject({ confirmed: true, resumed: [], problems: [], backup: { job: 'shop', status: 'complete' } })
    expect(await bench.kept()).toEqual([])
    expect(bench.events.map(({ type }) => type)).toEqual(['started', 'captured', 'stored', 'confirmed', 'finished'])
    expect(bench.outcome).toBe('done')
  })

  test('says what was captured and what was stored, each with its last number before it', async () => {
    const store = bench.repository.store.bind(bench.repository)
    bench.repository.storedBytes = () => 77
    bench.repository.store = async (request, contents, options) => {
      const say = (bytes: number) => options?.onProgress?.({ type: 'bytes', phase: 'store', item: 'a', bytes })
      say(1)
      const backup = await store(request, contents, options)
      for (const bytes of [2, 3]) say(bytes)
      return backup
    }
    const report = await bench.run({
      async copyTo(stage, options, all) {
        for (const bytes of [10, 20, 30]) options.onProgress?.({ type: 'bytes', phase: 'capture', item: 'a', bytes })
        await copyTwoItems(stage, options, all)
      },
    })
    const told = bench.events.filter(({ type }) => type === 'captured' || type === 'stored')
    expect(told).toEqual([
      { type: 'captured', items: 2, failed: 0, bytes: 60 },
      { type: 'stored', id: report.backup.id, status: 'complete', resumed: false, storedBytes: 77 },
    ])
    const eventsUntil = (type: RunEvent['type']) =>
      bench.events.slice(
        0,
        bench.events.findIndex((event) => event.type === type),
      )
    expect(eventsUntil('captured').findLast((event) => event.type === 'bytes' && event.phase === 'capture')).toMatchObject({ bytes: 60 })
    expect(eventsUntil('stored').findLast((event) => event.type === 'bytes' && event.phase === 'store')).toMatchObject({
      bytes: 6,
      expected: 'content of acontent of b'.length,
    })
    expect(report).toMatchObject({ bytes: 60, storedBytes: 77 })
  })

  test('of another kind than was asked for says why, and the manifest does not hold it', async () => {
    const reason = 'the binlog that the last backup ended in is gone'
    const report = await bench.run({
      parts: { request: { job: 'shop', kind: 'log' } },
      captured: { reason },
    })
    expect(bench.events).toContainEqual({ type: 'promoted', asked: 'log', kind: 'full', reason })
    expect(report).toMatchObject({ reason, backup: { kind: 'full' } })
    expect(JSON.stringify(report.backup)).not.toContain(reason)
    bench.events.length = 0
    expect(await bench.run({ captured: { reason } })).not.toHaveProperty('reason')
    expect(bench.events.some(({ type }) => type === 'promoted')).toBe(false)
  })

  test('limited to some items: continues no chain and is not confirmed', async () => {
    const report = await bench.run({ parts: { request: { job: 'shop', kind: 'full', items: ['a'] } } })
    expect(report).toMatchObject({ confirmed: false, backup: { status: 'complete', limitedTo: ['a'] } })
    expect(bench.calls.names).not.toContain('confirmed')
    await bench.run()
    expect(bench.agent.requests[0]?.chain).toEqual([])
  })

  test('clears what a killed run of this job left, in the staging and in the repository', async () => {
    const crashed = await bench.staging().begin({ job: 'shop', id: 'crashed', beganAt: '2026-01-01T00:00:00.000Z' })
    await crashed.stage.write({ item: 'a', name: '1' }, content('1'))
    // A killed process lets go of its lock without tidying up.
    for (const name of await readdir(path.join(bench.directory, 'shop')))
      if (name.startsWith('lock')) await rm(path.join(bench.directory, 'shop', name))
    await bench.run()
    expect(bench.repository.cleanings).toContainEqual({ olderThanSeconds: 0, job: 'shop', runs: ['crashed'] })
    expect(bench.repository.cleanings.every(({ olderThanSeconds, runs }) => runs !== undefined || olderThanSeconds > 24 * 3600)).toBe(true)
    expect(await bench.kept()).toEqual([])
  })

  test('overlaps: a file is stored before the next is written', async () => {
    await bench.run({
      async copyTo(stage) {
        await stage.write({ item: 'a', name: '1' }, content('1'))
        const deadline = Date.now() + 5000
        while (!bench.calls.names.includes('stored a/1')) {
          if (Date.now() > deadline) throw new Error('the first file was not stored while the capture went on')
          await new Promise((resolve) => setImmediate(resolve))
        }
        await stage.sealItem({ item: 'a', facts: {} })
      },
    })
  })

  test('gives the agent what it needs of earlier backups and not their long lists of files', async () => {
    await bench.run()
    await bench.run()
    const [earlier] = bench.agent.requests[0]?.chain ?? []
    expect(earlier?.items.map(({ item, files }) => [item, files])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ])
    expect(earlier?.storage).toEqual({})
  })

  test('gives the agent the complete backups of this job as its chain', async () => {
    addBackup(bench.repository, '1', { a: { x: '1' } })
    addBackup(bench.repository, '2', { a: { x: '1' } }, { status: 'partial' })
    addBackup(bench.repository, '3', { a: { x: '1' } }, { job: 'other' })
    await bench.run()
    expect(bench.agent.requests[0]?.chain.map(({ id }) => id)).toEqual(['1'])
  })

  test('is not spoiled by a listener that throws', async () => {
    const report = await bench.run({
      onEvent: () => {
        throw new Error('the display is broken')
      },
    })
    expect(report.confirmed).toBe(true)
  })
})

describe('after the commit', () => {
  test.each([
    ['confirmed', 'the application could not be told'],
    ['stage removed', 'the staged files could not be removed'],
    ['stage disposed', 'the staging could not be closed'],
    ['capture disposed', 'could not be released'],
  ])('a failure at "%s" is a problem, not a lost backup', async (moment, message) => {
    bench.calls.at = (name) => {
      if (name === moment) throw new BackupError('it broke', { code: 'APPLICATION' })
    }
    const report = await bench.run()
    expect(report.backup.status).toBe('complete')
    expect(report.confirmed).toBe(moment !== 'confirmed')
    expect(report.problems).toHaveLength(1)
    expect(report.problems[0]?.message).toContain(message)
    expect(bench.calls.names).toContain('capture disposed')
  })

  test('a stage that was committed but not removed is removed by the next run, not stored again', async () => {
    bench.calls.at = (name) => {
      if (name === 'stage removed') throw new Error('killed here')
    }
    await bench.run({ parts: { id: 'first' } })
    expect(await bench.kept()).toEqual(['first'])
    bench.calls.at = () => undefined
    const report = await bench.run({ parts: { id: 'second' } })
    expect(report.resumed).toEqual([])
    expect(bench.repository.backups.map(({ id }) => id)).toEqual(['first', 'second'])
    expect(await bench.kept()).toEqual([])
  })
})
