import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createPartMemory } from './part-memory.ts'

const mebibyte = 1024 ** 2

describe('memory of parts', () => {
  test('is given until the budget is used up, then in the order of asking', async () => {
    const memory = createPartMemory(4 * mebibyte)
    const first = await memory.take(3 * mebibyte, undefined)
    const got: string[] = []
    const second = memory.take(2 * mebibyte, undefined).then((buffer) => {
      got.push('second')
      return buffer
    })
    const third = memory.take(1 * mebibyte, undefined).then((buffer) => {
      got.push('third')
      return buffer
    })
    await setImmediate()
    expect(got).toEqual([])
    memory.giveBack(first)
    expect((await second).byteLength + (await third).byteLength).toBe(3 * mebibyte)
    expect(got).toEqual(['second', 'third'])
    expect(memory.takenBytes).toBe(3 * mebibyte)
  })

  test('is used again where the size is the same', async () => {
    const memory = createPartMemory(4 * mebibyte)
    const first = await memory.take(2 * mebibyte, undefined)
    memory.giveBack(first)
    expect(await memory.take(2 * mebibyte, undefined)).toBe(first)
    expect(await memory.take(2 * mebibyte, undefined)).not.toBe(first)
  })

  test('is given to one that needs more than there is, alone', async () => {
    const memory = createPartMemory(mebibyte)
    const small = await memory.take(1000, undefined)
    const large = memory.take(3 * mebibyte, undefined)
    await setImmediate()
    expect(memory.takenBytes).toBe(1000)
    memory.giveBack(small)
    memory.giveBack(await large)
    expect(memory.takenBytes).toBe(0)
  })

  test('is not waited for after an abort, and who waits behind comes forward', async () => {
    const memory = createPartMemory(2 * mebibyte)
    const held = await memory.take(mebibyte, undefined)
    const controller = new AbortController()
    const aborted = memory.take(2 * mebibyte, controller.signal)
    const behind = memory.take(mebibyte, undefined)
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await behind).byteLength).toBe(mebibyte)
    await expect(memory.take(1, controller.signal)).rejects.toMatchObject({ code: 'ABORTED' })
    memory.giveBack(held)
    expect(memory.takenBytes).toBe(mebibyte)
  })
})
