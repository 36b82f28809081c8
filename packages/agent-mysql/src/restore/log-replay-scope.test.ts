import { describe, expect, it } from 'vitest'
import { statementScope } from './log-replay-scope.ts'

const selected = new Set(['shop', 'shop 2'])
const scope = (text: string, schema = '') => statementScope(text, {}, schema, (name) => selected.has(name))

describe('which schemas a logged statement is about', () => {
  it.each([
    ['CREATE TABLE t (a INT)', 'shop', 'selected'],
    ['CREATE TABLE t (a INT)', 'hr', 'others'],
    ['CREATE TABLE `shop 2`.t LIKE shop.u', 'shop', 'selected'],
    ['ALTER TABLE hr.t ADD a INT', 'hr', 'others'],
    ['CREATE TABLE shop.t (a INT)', 'hr', 'both'],
    ['CREATE TABLE t LIKE hr.u', 'shop', 'both'],
    ['DROP TABLE shop.t, hr.u', '', 'both'],
    ["CREATE TABLE t (a INT COMMENT 'hr.x') /* hr.y */ -- hr.z", 'shop', 'selected'],
    ['CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = OLD.a + 1.5', 'shop', 'selected'],
    ['CREATE DATABASE IF NOT EXISTS `shop`', 'hr', 'selected'],
    ['DROP DATABASE hr', 'shop', 'others'],
    ['CREATE OR REPLACE SCHEMA hr', '', 'others'],
    ['FLUSH TABLES', '', 'both'],
  ])('%s in %s: %s', (text, schema, expected) => {
    expect(scope(text, schema).of).toBe(expected)
  })

  it.each([
    ["CREATE USER 'a b'@'%', c@localhost IDENTIFIED BY 'x'", ['a b@%', 'c@localhost']],
    ['GRANT SELECT ON hr.* TO `u`@`10.0.0.1`', ['u@10.0.0.1']],
    ["SET PASSWORD FOR 'root'@'localhost' = 'y'", ['root@localhost']],
    ["DROP USER 'it''s'@'h'", ["it's@h"]],
    ['CREATE ROLE boss', ['boss@', 'boss@%']],
  ])('%s is about accounts', (text, accounts) => {
    expect(scope(text)).toMatchObject({ of: 'accounts', accounts: expect.arrayContaining(accounts) })
  })
})
