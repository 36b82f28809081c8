import { describe, expect, it } from 'vitest'
import { statementFate } from './log-replay-selection.ts'

const leftOut = {
  schemas: ['scratch'],
  tables: ['shop.sessions', 'shop.cache'],
  rows: ['shop.remote'],
  sequences: [],
  patterns: { excludeSchemas: ['scratch'], excludeTables: ['*.sessions', '*.cache'] },
  lowerCaseTableNames: 0,
}
const fate = (text: string, schema: string, ansiQuotes = false) => statementFate(text, { ansiQuotes }, schema, { leftOut }).is

describe('a statement is left out only where all that it changes is', () => {
  it.each([
    ['ALTER TABLE "shop"."orders" ADD c INT', 'scratch', 'replayed', 'refused'],
    ['INSERT INTO "orders" SELECT * FROM sessions', 'shop', 'refused', 'refused'],
    ['ALTER TABLE "sessions" ADD c INT', 'shop', 'left out', 'replayed'],
    ['ALTER TABLE `sessions` COMMENT "a"', 'shop', 'left out', 'left out'],
  ])('%s in %s: %s with ANSI_QUOTES, %s without', (text, schema, ansi, plain) => {
    expect([fate(text, schema, true), fate(text, schema)]).toEqual([ansi, plain])
  })

  it.each([
    ['SELECT shop.f()', 'scratch', 'refused'],
    ['SELECT `shop`.`f`(1)', 'scratch', 'refused'],
    ['SELECT f()', 'scratch', 'refused'],
    ['DO shop.f()', 'scratch', 'refused'],
    ['CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER "a")', 'scratch', 'refused'],
    ['WITH x AS (SELECT id FROM sessions) UPDATE t, x SET t.v = 1', 'shop', 'refused'],
    ['ANALYZE UPDATE t NATURAL JOIN sessions SET t.v = 1', 'shop', 'refused'],
    ['UPDATE sessions PARTITION (p0), t SET t.v = 1', 'shop', 'refused'],
    ['UPDATE remote USE INDEX (i), t SET t.v = 1', 'shop', 'refused'],
    ['UPDATE (t, cache) NATURAL JOIN sessions SET t.v = 1', 'shop', 'refused'],
    ['UPDATE sessions PARTITION (p0, p1) SET v = 1', 'shop', 'left out'],
    ['UPDATE sessions, cache SET sessions.v = (SELECT 1)', 'shop', 'left out'],
    ['DELETE FROM sessions WHERE id IN (1, 2) ORDER BY id LIMIT 1', 'shop', 'left out'],
    ['DELETE FROM sessions USING sessions FORCE INDEX (i), t', 'shop', 'refused'],
    ['SET STATEMENT max_statement_time = 1 FOR UPDATE t NATURAL JOIN sessions SET t.v = 1', 'shop', 'refused'],
    ['SET STATEMENT max_statement_time = 1 FOR INSERT INTO sessions VALUES (1)', 'shop', 'left out'],
    ['UPDATE /*! IGNORE */ t NATURAL JOIN sessions SET t.v = 1', 'shop', 'refused'],
    ['/*!40000 ALTER TABLE sessions DISABLE KEYS */', 'shop', 'left out'],
    ['ALTER TABLE sessions RENAME AS t', 'shop', 'refused'],
    ['ALTER TABLE sessions RENAME = t', 'shop', 'refused'],
    ['DROP VIEW scratch.v, w', 'shop', 'refused'],
    ['DROP VIEW scratch.v, scratch.w', 'shop', 'left out'],
    ['CREATE OR REPLACE TEMPORARY TABLE sessions (id INT)', 'shop', 'left out'],
    ['CREATE UNIQUE INDEX i ON sessions (id)', 'shop', 'left out'],
    ['DROP INDEX i ON scratch.t', 'shop', 'left out'],
    ['FLUSH TABLES', 'scratch', 'left out'],
  ])('%s in %s: %s', (text, schema, expected) => {
    expect(fate(text, schema)).toBe(expected)
  })

  it('and one on a transaction in no case', () => {
    for (const text of ['SAVEPOINT `a`', 'ROLLBACK TO `a`', 'RELEASE SAVEPOINT a']) {
      expect(fate(text, 'scratch')).toBe('replayed')
      expect(statementFate(text, {}, 'hr', { schemas: new Set(['shop']) }).is).toBe('replayed')
    }
  })

  it('nor is it taken for one on tables of the server by what it reads', () => {
    expect(statementFate('WITH x AS (SELECT * FROM mysql.user) UPDATE t, x SET t.v = 1', {}, 'shop', {}).is).toBe('refused')
  })
})

it('reads names of chosen schemas as the server did', () => {
  const schemas = new Set(['shop'])
  expect(statementFate('ALTER TABLE "shop"."t" ADD a INT', { ansiQuotes: true }, 'hr', { schemas }).is).toBe('refused')
  expect(statementFate("INSERT INTO t VALUES ('\\', shop.x, ')", { noBackslashEscapes: true }, 'hr', { schemas }).is).toBe('refused')
})

describe('a statement on a table with triggers, which is not restored', () => {
  const triggered = new Set(['shop.sessions', 'scratch.t', 'hr.t'])
  it.each([
    ['INSERT INTO sessions VALUES (1)', 'refused'],
    ['REPLACE sessions VALUES (1)', 'refused'],
    ['DELETE FROM scratch.T', 'refused'],
    ['UPDATE cache, sessions SET sessions.v = 1', 'refused'],
    ['INSERT INTO cache VALUES (1)', 'left out'],
    ['TRUNCATE sessions', 'left out'],
    ['ALTER TABLE sessions ADD a INT', 'left out'],
  ])('%s: %s', (text, expected) => {
    expect(statementFate(text, {}, 'shop', { leftOut, triggered }).is).toBe(expected)
  })

  it('is refused where only some schemas are restored too, and so are calls of functions', () => {
    const selected = { schemas: new Set(['shop']), triggered }
    expect(statementFate('INSERT INTO t VALUES (1)', {}, 'hr', selected).is).toBe('refused')
    expect(statementFate('INSERT INTO u VALUES (1)', {}, 'hr', selected).is).toBe('left out')
    expect(statementFate('SELECT `hr`.`f`(1)', {}, 'hr', selected).is).toBe('refused')
  })
})
