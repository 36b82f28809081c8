import type { Agent, AgentPlugin } from '@backup-planet/core'
import { createMemoryAgent, createMemoryApplication, type MemoryApplication } from '@backup-planet/core/testing'

/** Servers with logs, by the name in the settings of a job or target; `source` has one item. */
export interface MemoryServers {
  readonly source: MemoryApplication
  readonly scratch: MemoryApplication
}

export function memoryServers(clock?: () => Date): MemoryServers {
  return { source: createMemoryApplication({ orders: 'one' }, 'source', clock), scratch: createMemoryApplication({}, 'scratch', clock) }
}

/** An agent for them, which `change` may take abilities from. */
export function memoryPlugin(servers: MemoryServers, change: (agent: Agent) => Agent = (agent) => agent): AgentPlugin {
  return {
    contract: 'agent-plugin/1',
    application: 'memory',
    exampleSettings: '',
    create(settings) {
      const { server } = settings as { server: keyof MemoryServers }
      return change(createMemoryAgent({ server: servers[server] }))
    },
  }
}

/** A job `shop` with a mirror `far` beside its repository `local`, and a target `scratch`. */
export const memoryConfiguration = `repositories:
  local: { kind: archive, destination: ./backups }
  far: { kind: archive, destination: ./far }
jobs: { shop: { agent: memory, repository: local, mirrors: [far], settings: { server: source } } }
targets: { scratch: { agent: memory, settings: { server: scratch } } }
staging: { directory: ./staging, budget: 64MiB }
`
