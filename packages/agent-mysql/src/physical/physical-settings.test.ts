import { parseSettings } from '@backup-planet/core'
import { describe, expect, it } from 'vitest'
import { type MysqlAgentSettings, mysqlAgentSettingsSchema } from '../mysql-agent-settings.ts'

const parse = (more: Partial<MysqlAgentSettings>) => parseSettings(mysqlAgentSettingsSchema, { user: 'backup', ...more }, 'settings')

describe('the mode of a job', () => {
  it('is logical unless it is said', () => {
    expect(parse({}).mode).toBe('logical')
    expect(parse({ mode: 'physical', physical: { parallel: 2 } }).physical).toMatchObject({
      parallel: 2,
      incremental: true,
      partBytes: 1_073_741_824,
    })
  })

  it.each<[Partial<MysqlAgentSettings>, string]>([
    [{ physical: {} }, 'settings.physical: belongs to mode: physical'],
    [{ mode: 'physical', includeSchemas: ['shop'] }, 'settings.includeSchemas: mode: physical copies the whole server'],
    [{ mode: 'physical', excludeTables: ['shop.x'] }, 'settings.excludeTables'],
    [{ mode: 'physical', users: false }, 'settings.users'],
    [{ mode: 'physical', stripDefiner: true }, 'settings.stripDefiner'],
    [{ mode: 'physical', definerMap: { 'a@b': 'c@d' } }, 'settings.definerMap'],
    [{ mode: 'physical', physical: { optionFile: 'relative' } }, 'settings.physical.optionFile'],
    [{ mode: 'physical', physical: { paralel: 2 } as object }, 'did you mean "parallel"'],
  ])('refuses %j', (more, message) => {
    expect(() => parse(more)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS', message: expect.stringContaining(message) }))
  })

  it('takes what a config has from the example of the other mode', () => {
    expect(parse({ mode: 'physical', excludeSchemas: [], definerMap: {}, users: true, compressionLevel: 0, verify: 'rows' }).mode).toBe(
      'physical',
    )
  })
})
