import type { Agent, EngineCheck, Scratch, ScratchRequest } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { createMemoryApplication, type MemoryApplication } from './memory-application.ts'

let opened = 0

/**
 * Scratch places of a memory application: an application of their own, or items of other names in it. As long as one is open there is a session, so that
 * one that is forgotten is seen.
 *
 * @param agentOn makes an agent for an application
 */
export function openMemoryScratch(
  application: MemoryApplication,
  agentOn: (application: MemoryApplication) => Agent,
): NonNullable<Agent['openScratch']> {
  return async (request, options = {}) => {
    throwIfAborted(options.signal, 'opening a scratch place')
    for (const option of Object.keys(request.options ?? {})) {
      throw new BackupError(`scratch option ${option} is unknown`, {
        code: 'INVALID_SETTINGS',
        hint: 'Leave the option out; the memory agent has none.',
      })
    }
    const session = application.connect('scratch')
    const id = `scratch-${++opened}`
    const own = request.place === 'private'
    const used = own ? createMemoryApplication({}, id, application.now) : application
    return placeOn(used, agentOn(used), id, request, own, session)
  }
}

function placeOn(
  used: MemoryApplication,
  agent: Agent,
  id: string,
  request: ScratchRequest,
  own: boolean,
  session: { disconnect(): void },
): Scratch {
  const items = request.items ?? [...new Set(request.backups.flatMap((backup) => backup.items.map(({ item }) => item)))]
  const rename = Object.fromEntries(own ? [] : items.map((item) => [item, `${id}-${item}`]))
  return {
    name: `memory:${id}`,
    version: '1',
    agent,
    target: { overwrite: false, rename },
    restoresLogs: own,
    problems: [],
    async check({ items: restored }, options = {}) {
      throwIfAborted(options.signal, 'the check of what was restored')
      return restored.map(({ item, to, checks }): EngineCheck => {
        // The logs may have removed it.
        const expected = checks.some(({ found }) => found === 'none') ? 'missing' : 'readable'
        const found = used.unreadable.has(to) ? 'unreadable' : used.items.has(to) ? 'readable' : 'missing'
        return { item, name: `read ${to}`, expected, found, passed: found === expected }
      })
    },
    async [Symbol.asyncDispose]() {
      const mine = request.keep === true ? [] : [...used.items.keys()].filter((to) => own || to.startsWith(`${id}-`))
      for (const to of mine) if (!used.unremovable.has(to)) used.remove(to)
      session.disconnect()
      const left = mine.filter((to) => used.items.has(to))
      if (left.length === 0) return
      throw new BackupError(`${left.join(', ')} of ${used.id} cannot be removed`, {
        code: 'ACCESS_DENIED',
        hint: `Let go of ${left.join(', ')}, and remove what is there from ${used.id}.`,
      })
    },
  }
}
