import { expect, test } from 'vitest'
import type { Capture } from '../contracts/index.ts'
import type { RunEvent } from '../events/run-event.ts'
import { createMemoryAgent } from '../testing/memory-agent.ts'
import { createMemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryStaging } from '../testing/memory-staging.ts'
import { storeFollowed } from './store-followed.ts'

test('says again and again that nothing moves while it waits for another run of the job, so that who listens can tell how long', async () => {
  const agent = createMemoryAgent({ items: { orders: 'none' } })
  const staging = createMemoryStaging()
  const capture: Capture = await agent.beginCapture({ job: 'shop', kind: 'full', chain: [] })
  const other = await staging.begin({ job: 'shop', id: 'other', beganAt: new Date().toISOString() })
  const events: RunEvent['type'][] = []
  const stalledTwice = Promise.withResolvers<void>()
  const onEvent = ({ type }: RunEvent): void => {
    events.push(type)
    if (events.filter((one) => one === 'stalled').length === 2) stalledTwice.resolve()
  }
  const parts = { agent, staging, repository: createMemoryRepository(), job: 'shop', capture }
  const storing = storeFollowed(parts, { onEvent, stalledAfterSeconds: 0.05 })
  await stalledTwice.promise
  expect(events).toEqual(['started', 'waiting', 'stalled', 'stalled'])
  await other[Symbol.asyncDispose]()
  expect(await storing).toMatchObject({ store: { backup: { status: 'complete' } } })
})
