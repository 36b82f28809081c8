import { describe, expect, it } from 'vitest'
import { disabledEvent } from './event-statement.ts'

const create = (state: string, more = '') =>
  `CREATE DEFINER=\`EVENT\`@\`%\` EVENT \`on completion\` ON SCHEDULE EVERY 1 SECOND STARTS '2031-01-01 00:00:00' ON COMPLETION ${state}${more} DO UPDATE t SET a = 'ENABLE'`

describe('an event', () => {
  it('is created disabled, and enabled with the definer it has', () => {
    expect(disabledEvent(create('NOT PRESERVE ENABLE'), 'to`x', 'e', {})).toEqual({
      create: create('NOT PRESERVE DISABLE'),
      enable: 'ALTER DEFINER=`EVENT`@`%` EVENT `to``x`.`e` ENABLE',
    })
    expect(disabledEvent(create('PRESERVE ENABLE', " COMMENT 'ENABLE'"), 's', 'e', {}).create).toBe(
      create('PRESERVE DISABLE', " COMMENT 'ENABLE'"),
    )
  })

  it('has no definer in the ALTER when it has none in the CREATE', () => {
    const text = create('PRESERVE ENABLE').replace('DEFINER=`EVENT`@`%` ', '')
    expect(disabledEvent(text, 's', 'e', {}).enable).toBe('ALTER EVENT `s`.`e` ENABLE')
  })

  it('stays as it is when it was not enabled', () => {
    for (const state of ['PRESERVE DISABLE', 'NOT PRESERVE DISABLE ON SLAVE']) {
      expect(disabledEvent(create(state), 's', 'e', {})).toEqual({ create: create(state) })
    }
  })

  it('is refused when it does not say so', () => {
    for (const text of ["CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SET @a = 'ENABLE'", 'CREATE TABLE t (a INT)', create('PRESERVE')]) {
      expect(() => disabledEvent(text, 's', 'e', {})).toThrow(/does not say whether it is enabled/)
    }
  })
})
