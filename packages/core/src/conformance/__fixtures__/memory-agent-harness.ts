import type { Agent } from '../../contracts/index.ts'
import { sampleBytes } from '../../testing/chunks-of.ts'
import { createMemoryAgent, type MemoryAgent } from '../../testing/memory-agent.ts'
import { createMemoryApplication, type MemoryApplication } from '../../testing/memory-application.ts'
import type { AgentHarness, AgentServer } from '../agent-harness.ts'

/** Two memory applications, with agents that `change` may break. */
export function memoryAgentHarness(change: (sound: MemoryAgent) => Agent = (sound) => sound): AgentHarness {
  const source = createMemoryApplication({ accounts: sampleBytes(50_000, 1), orders: sampleBytes(300, 2), empty: '' }, 'memory-source')
  const target = createMemoryApplication({}, 'memory-target')
  return {
    source: serverOf(source, change),
    items: ['accounts', 'empty', 'orders'],
    target: serverOf(target, change),
    failItem: async (item) => void source.unreadable.add(item),
    secrets: ['memory-password'],
    scratch: {
      places: ['private', 'server'],
      remains: async () => ({ sessions: [...target.sessions], items: [...target.items.keys()] }),
      async hinder() {
        const [held = ''] = [...target.items.keys()].filter((item) => item.startsWith('scratch-'))
        target.unremovable.add(held)
        return {
          async [Symbol.asyncDispose]() {
            target.unremovable.delete(held)
            target.remove(held)
          },
        }
      },
    },
  }
}

function serverOf(server: MemoryApplication, change: (sound: MemoryAgent) => Agent): AgentServer {
  return {
    agent: change(createMemoryAgent({ server })),
    observe: async () => ({ data: server.fingerprint(), log: server.log.map((entry) => entry.sequence), sequence: server.sequence }),
    content: async (item) => server.items.get(item)?.toString('hex'),
    busy: async () => server.sessions.size > 0,
    change: async (item) => server.write(item, `changed at ${server.sequence}`),
    position: async () => ({ chain: server.id, value: { sequence: String(server.sequence) } }),
    breakOff: async () => {
      server.stop()
      server.start()
    },
    purgeLogs: async () => server.truncateLog(server.sequence),
  }
}
