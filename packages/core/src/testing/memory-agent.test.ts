import { describe, expect, it } from 'vitest'
import { backUpOnce, fullRequest, withFiles } from '../conformance/agent-harness.ts'
import { createMemoryAgent } from './memory-agent.ts'
import { createMemoryApplication } from './memory-application.ts'

describe('createMemoryAgent', () => {
  it('continues a chain with logs, and counts what is done with it', async () => {
    const agent = createMemoryAgent({ items: { a: 'one', b: 'two' } })
    const full = await backUpOnce(agent)
    expect(agent.server.log).toEqual([])
    agent.server.write('a', 'changed')
    const log = await backUpOnce(agent, fullRequest({ kind: 'log', chain: [full.backup] }))
    expect(log.backup).toMatchObject({ kind: 'log', from: full.backup.position, position: { value: { sequence: '3' } } })
    expect(agent.counts).toEqual({ begun: 2, confirmed: 2, disposed: 2 })

    const target = createMemoryAgent({ server: createMemoryApplication({}, 'target') })
    const backups = [full.backup, log.backup]
    for (const [id, files] of log.repository.place.files) full.repository.place.files.set(id, files)
    full.repository.place.records.set(log.backup.id, log.backup)
    const plan = await target.planRestore({ backups, target: { overwrite: false } })
    await withFiles(full, backups, (files) => target.restore(plan, files))
    expect(target.server.items.get('a')?.toString()).toBe('changed')
    expect(target.server.items.get('b')?.toString()).toBe('two')
  })

  it('makes a full, with the reason, where the chain is broken', async () => {
    const agent = createMemoryAgent({ items: { a: 'one' } })
    expect(await agent.plan(fullRequest({ kind: 'log' }))).toMatchObject({
      kind: 'full',
      reason: 'there is no full backup yet that could be continued',
    })
    const full = await backUpOnce(agent)
    agent.server.write('a', 'two')
    agent.server.write('a', 'three')
    agent.server.truncateLog(2)
    const request = fullRequest({ kind: 'log', chain: [full.backup] })
    expect(await agent.plan(request)).toMatchObject({
      kind: 'full',
      reason: expect.stringMatching(/^backup \S+ ends at sequence 1 and the logs of the server begin only at sequence 2: /) as string,
    })
    expect((await backUpOnce(agent, request)).backup).toMatchObject({ kind: 'full', facts: { promoted: expect.any(String) as string } })

    const other = createMemoryAgent({ server: createMemoryApplication({ a: 'x' }, 'other') })
    expect(await other.plan(request)).toMatchObject({
      kind: 'full',
      reason: expect.stringMatching(/^the last backup is of the history memory-server-1 and the server is in other: /) as string,
    })
  })
})
