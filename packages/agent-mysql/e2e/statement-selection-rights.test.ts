import { describe, expect, it } from 'vitest'
import { createMysqlAgent } from '../src/index.ts'
import { settingsFor } from './capture-fixture.ts'
import { documentedLogRights, documentedRights, grantable } from './scripted-account.ts'
import { startScriptedServer } from './scripted-server.ts'
import { scriptedVersions } from './scripted-version.ts'

/** The names in all GRANT statements of the hints. */
function granted(hint: string): readonly string[] {
  return [...hint.matchAll(/GRANT ([A-Z_ ,]+?) ON /g)].flatMap(([, list = '']) => list.split(', '))
}

describe.each(scriptedVersions)('$name', (version) => {
  it.each([
    ['full', documentedRights(version)],
    ['log', documentedLogRights(version)],
  ] as const)(
    'a %s needs the rights that are documented, and is told each that is missing by a name this version knows',
    async (kind, rights) => {
      const problemsWith = async (given: readonly string[]) => {
        await using server = await startScriptedServer(version, { account: { rights: given } })
        // A log that nothing can be continued by is promoted to a full, which is checked as one.
        const agent = createMysqlAgent(settingsFor(server))
        return (await agent.check({ job: 'test', kind, chain: [] })).filter(({ code }) => code === 'ACCESS_DENIED')
      }
      if (kind === 'full') expect(await problemsWith(rights)).toEqual([])
      for (const missing of rights) {
        const problems = await problemsWith(rights.filter((right) => right !== missing))
        expect(problems, missing).not.toEqual([])
        const names = problems.flatMap(({ hint }) => granted(hint))
        expect(names).toContain(missing)
        expect(names.filter((name) => !grantable(version).has(name))).toEqual([])
      }
    },
  )
})
