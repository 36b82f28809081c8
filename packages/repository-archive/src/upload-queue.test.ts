import { expect, it } from 'vitest'
import { UploadQueue } from './upload-queue.ts'

it('runs no more tasks at once than it may, and all of them', async () => {
  const queue = new UploadQueue(3)
  let running = 0
  let most = 0
  let ended = 0
  for (let index = 0; index < 20; index++) {
    queue.add(async () => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      ended++
    })
  }
  await queue.finish()
  expect({ most, ended }).toEqual({ most: 3, ended: 20 })
})

it('never finishes well when a task has failed, even the last one', async () => {
  for (const failing of [0, 1, 2]) {
    const queue = new UploadQueue(1)
    for (let index = 0; index < 3; index++) {
      queue.add(async () => {
        if (index === failing) throw new Error(`task ${index}`)
      })
    }
    await expect(queue.finish()).rejects.toThrow(`task ${failing}`)
    await expect(queue.failure).rejects.toThrow(`task ${failing}`)
  }
})

it('begins nothing after a failure or a stop', async () => {
  const queue = new UploadQueue(1)
  let begun = 0
  queue.add(async () => {
    throw new Error('first')
  })
  queue.add(async () => {
    begun++
  })
  await expect(queue.finish()).rejects.toThrow('first')
  await queue.stop()
  queue.add(async () => {
    begun++
  })
  expect(begun).toBe(0)
})
