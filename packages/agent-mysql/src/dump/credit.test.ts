import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Credit } from './credit.ts'

it('wakes every sender that waits, not only the last one', async () => {
  const credit = new Credit()
  const served: string[] = []
  const senders = ['a', 'b', 'c'].map(async (name) => {
    await credit.take()
    served.push(name)
  })
  credit.grant(1)
  credit.grant(2)
  await Promise.all(senders)
  expect(served).toEqual(['a', 'b', 'c'])
})

it('serves exactly as many as were granted, in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constant('take' as const), fc.integer({ min: 1, max: 4 })), { maxLength: 60 }),
      async (actions) => {
        const credit = new Credit()
        const served: number[] = []
        let takers = 0
        let granted = 0
        for (const action of actions) {
          if (action === 'take') {
            const taker = takers++
            void credit.take().then(() => served.push(taker))
          } else {
            granted += action
            credit.grant(action)
          }
          await Promise.resolve()
        }
        await new Promise((resolve) => setImmediate(resolve))
        expect(served).toEqual(Array.from({ length: Math.min(takers, granted) }, (_, index) => index))
      },
    ),
  )
})
