import type { Problem } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { agentFor, dump } from './capture-fixture.ts'

let server: ThrowawayMariadb
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT PRIMARY KEY)')
})
afterAll(() => server?.stop())

async function warnings(): Promise<readonly string[]> {
  await using agent = agentFor(server, { users: false })
  const problems: Problem[] = []
  await using _dumped = await dump(
    agent,
    {},
    {
      onProgress: (event) => {
        if (event.type === 'problem') problems.push(event.problem)
      },
    },
  )
  return problems.map(({ message }) => message).filter((message) => message.includes('XA'))
}

it('a full says that XA transactions were prepared at its moment', async () => {
  await server.client("USE shop; XA START 'x', 'b', 7; INSERT INTO line VALUES (1); XA END 'x', 'b', 7; XA PREPARE 'x', 'b', 7")
  expect(await warnings()).toEqual([expect.stringMatching(/^1 XA transaction was prepared at the moment of this full/)])
  await server.client("XA COMMIT 'x', 'b', 7")
  expect(await warnings()).toEqual([])
})
