import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { type RoomClaim, RoomLedger } from './room-ledger.ts'

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a file that is too large', () => {
  test('fails with OUT_OF_SPACE and names the setting', async () => {
    const ledger = new RoomLedger(10, 0, () => undefined)
    const claim = ledger.begin('shop/a')
    await claim.grow(5)
    await expect(claim.grow(1)).rejects.toMatchObject({ code: 'OUT_OF_SPACE', hint: expect.stringContaining('budgetBytes') })
    await expect(claim.grow(1)).rejects.toThrow('shop/a is larger than 5 B: one staged file may take half of the staging budget of 10 B')
  })
})

describe('waiting', () => {
  test('ends when a complete file is freed', async () => {
    const ledger = new RoomLedger(10, 8, () => undefined)
    const claim = ledger.begin('b')
    let granted = false
    const grown = claim.grow(4).then(() => {
      granted = true
    })
    await settled()
    expect(granted).toBe(false)
    expect(ledger.needsRelease).toBe(true)
    ledger.free(2)
    await grown
    expect(ledger.used).toBe(10)
    expect(ledger.needsRelease).toBe(false)
  })

  test('ends with ABORTED, and lets the next one go on', async () => {
    const ledger = new RoomLedger(10, 7, () => undefined)
    const first = ledger.begin('a')
    const second = ledger.begin('b')
    const controller = new AbortController()
    const waiting = first.grow(4, controller.signal)
    const behind = second.grow(1)
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    await behind
    expect(ledger.used).toBe(8)
  })

  test('ends with the cause once nobody frees any more, while who has room goes on', async () => {
    const ledger = new RoomLedger(10, 6, () => undefined)
    const cause = new BackupError('the store is gone', { code: 'UNREACHABLE' })
    const first = ledger.begin('a')
    const waiting = first.grow(5)
    ledger.stop(cause)
    await expect(waiting).rejects.toBe(cause)
    await first.grow(4)
    await expect(first.grow(1)).rejects.toBe(cause)
    expect(ledger.used).toBe(10)
  })

  test('of the oldest comes first: nobody younger takes the room that it waits for', async () => {
    const ledger = new RoomLedger(10, 7, () => undefined)
    const order: string[] = []
    const oldest = ledger
      .begin('oldest')
      .grow(4)
      .then(() => order.push('oldest'))
    const younger = ledger
      .begin('younger')
      .grow(2)
      .then(() => order.push('younger'))
    await settled()
    expect(order).toEqual([])
    expect(ledger.used).toBe(7)
    ledger.free(1)
    await oldest
    await settled()
    expect(order).toEqual(['oldest'])
    ledger.free(2)
    await younger
    expect(ledger.used).toBe(10)
  })

  test('a claim cannot be kept twice, and more than is held cannot be freed', () => {
    const ledger = new RoomLedger(10, 0, () => undefined)
    const claim = ledger.begin('a')
    claim.keep()
    expect(() => claim.keep()).toThrow(TypeError)
    expect(() => ledger.free(1)).toThrow(TypeError)
  })
})

interface ModelFile {
  readonly chunks: readonly number[]
  /** Its content throws after so many chunks. */
  readonly failsAfter: number | undefined
}

/**
 * Writers with files of random sizes against the laziest drainer that is allowed: it frees nothing until it is asked, and
 * then only one file. At every moment random numbers choose whose turn it is.
 */
async function simulate(budget: number, writers: readonly (readonly ModelFile[])[], turns: () => number): Promise<void> {
  const ledger: RoomLedger = new RoomLedger(budget, 0, () => undefined)
  const complete: number[] = []
  const states = writers.map((files) => ({
    files: [...files],
    claim: undefined as RoomClaim | undefined,
    done: 0,
    bytes: 0,
    waiting: false,
  }))
  for (let step = 0; ; step++) {
    if (step > 20_000) throw new Error('the simulation does not end')
    expect(ledger.used).toBeLessThanOrEqual(budget)
    expect(ledger.held).toBe(complete.reduce((sum, size) => sum + size, 0))
    const able = states.filter((state) => !state.waiting && (state.files.length > 0 || state.claim !== undefined))
    const drainable = ledger.needsRelease && complete.length > 0
    if (able.length === 0 && !drainable) {
      expect(states.filter((state) => state.waiting)).toEqual([])
      return
    }
    const choice = turns() % (able.length + (drainable ? 1 : 0))
    const state = able[choice]
    if (state === undefined) {
      const size = complete.shift() ?? 0
      ledger.free(size)
    } else {
      const [file] = state.files
      if (file === undefined) throw new Error('nothing to write')
      state.claim ??= ledger.begin('file')
      const chunk = file.chunks[state.done]
      if (file.failsAfter === state.done) {
        state.claim.abandon()
        Object.assign(state, { files: state.files.slice(1), claim: undefined, done: 0, bytes: 0 })
      } else if (chunk === undefined) {
        state.claim.keep()
        complete.push(state.bytes)
        Object.assign(state, { files: state.files.slice(1), claim: undefined, done: 0, bytes: 0 })
      } else {
        state.waiting = true
        state.claim.grow(chunk).then(() => {
          state.waiting = false
          state.done++
          state.bytes += chunk
        })
      }
    }
    await settled()
  }
}

describe('the budget', () => {
  test('is never exceeded and never stops everybody, whatever the sizes and the order', async () => {
    const budget = 40
    const file = fc
      .array(fc.integer({ min: 0, max: 20 }), { maxLength: 8 })
      .map((chunks) => {
        let total = 0
        return chunks.filter((chunk) => {
          if (total + chunk > budget / 2) return false
          total += chunk
          return true
        })
      })
      .chain((chunks) =>
        fc.record({
          chunks: fc.constant(chunks),
          failsAfter: fc.option(fc.integer({ min: 0, max: chunks.length }), { nil: undefined, freq: 4 }),
        }),
      )
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(file, { maxLength: 5 }), { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat(1000)),
        async (writers, numbers) => {
          await simulate(budget, writers, () => numbers.next().value ?? 0)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('keeps room for the oldest file, however many younger ones want it', async () => {
    const ledger = new RoomLedger(10, 0, () => undefined)
    const oldest = ledger.begin('oldest')
    await ledger.begin('a').grow(3)
    await ledger.begin('b').grow(2)
    let granted = false
    // Of 10 bytes only 5 are taken, but with one more for the younger ones the oldest could not become as large as it may.
    const waiting = ledger
      .begin('c')
      .grow(1)
      .then(() => {
        granted = true
      })
    await settled()
    expect(granted).toBe(false)
    await oldest.grow(5)
    oldest.keep()
    ledger.free(5)
    await waiting
    expect(ledger.used).toBe(6)
  })
})
