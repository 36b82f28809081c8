import { describe, expect, it } from 'vitest'
import { type CreateKind, checkAccountStatements, checkCreateStatement } from './create-statement-guard.ts'

const check = (kind: CreateKind, text: string, sqlMode = '') => checkCreateStatement({ kind, name: 'x', schema: 's', sqlMode }, text)

describe('checkCreateStatement refuses', () => {
  const bad: [CreateKind, string][] = [
    ['table', ''],
    ['table', 'DROP TABLE `x`'],
    ['table', 'CREATE TABLE `y` (`a` int)'],
    ['table', 'CREATE TABLE `mysql`.`x` (`a` int)'],
    ['table', 'CREATE TABLE `x` (`a` int); DROP TABLE `b`'],
    ['table', 'CREATE TABLE `x` (`a` int) AS SELECT * FROM mysql.user'],
    ['table', 'CREATE TABLE `x` (`a` int) /*!50000 AS SELECT * FROM mysql.user */'],
    ['table', 'CREATE TABLE `x` LIKE mysql.user'],
    ['table', 'CREATE TABLE `x` (LIKE mysql.user)'],
    ['table', 'CREATE TABLE `x` (/*!50000 LIKE mysql.user */)'],
    ['table', 'CREATE TABLE `x` SELECT 1'],
    ['table', 'CREATE TABLE `x` (`a` int) (SELECT 1)'],
    ['table', 'CREATE TABLE `x` (`a` int) TABLE mysql.user'],
    ['table', 'CREATE /*!50000 TEMPORARY */ TABLE `x` (`a` int)'],
    ['table', 'CREATE VIEW `x` AS SELECT 1'],
    ['view', 'CREATE TABLE `x` (`a` int)'],
    ['view', 'CREATE VIEW `mysql`.`x` AS SELECT 1'],
    ['view', 'CREATE VIEW `x` AS SELECT 1; SELECT 2'],
    ['sequence', "CREATE SEQUENCE `x` COMMENT 'a'; SELECT 1"],
    ['procedure', 'CREATE PROCEDURE `x`() SELECT 1; DROP TABLE `b`'],
    ['procedure', 'CREATE PROCEDURE `x`() BEGIN SELECT 1; END; DROP TABLE `b`'],
    ['procedure', 'CREATE FUNCTION `x`() RETURNS int RETURN 1'],
    ['function', "CREATE FUNCTION `x` RETURNS STRING SONAME 'evil.so'"],
    ['function', "CREATE AGGREGATE FUNCTION `x` RETURNS INTEGER SONAME 'evil.so'"],
    ['function', "CREATE FUNCTION `x`() RETURNS INTEGER /*!50000 SONAME */ 'evil.so'"],
    ['trigger', 'CREATE TRIGGER `other`.`x` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1'],
    ['trigger', 'CREATE TRIGGER `x` BEFORE INSERT ON `t` FOR EACH ROW SET @a = 1; GRANT ALL ON *.* TO `a`'],
    ['event', 'CREATE USER `x`'],
    ['event', "CREATE EVENT `x` ON SCHEDULE EVERY 1 DAY DO DELETE FROM t; SET PASSWORD = ''"],
    ['schema', 'CREATE DATABASE `y`'],
    ['schema', 'CREATE DATABASE `x`; DROP DATABASE `mysql`'],
  ]
  it.each(bad)('%s: %s', (kind, text) => {
    expect(() => check(kind, text)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })
})

describe('checkCreateStatement accepts', () => {
  const good: [CreateKind, string, string?][] = [
    ['table', "CREATE TABLE `x` (\n  `a;` int(11) COMMENT ';SELECT'\n) ENGINE=InnoDB"],
    ['table', "CREATE TABLE `x` (`a` text CHECK (`a` like '%@%'), `b` int GENERATED ALWAYS AS (`a` not like 'x%') VIRTUAL) ENGINE=InnoDB"],
    ['view', 'CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `x` AS select 1 AS `1;`'],
    ['view', 'CREATE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY INVOKER VIEW `s`.`x` AS select 1'],
    ['sequence', 'CREATE SEQUENCE `x` start with 1 minvalue 1 ENGINE=InnoDB'],
    ['schema', 'CREATE DATABASE `x` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */'],
    ['schema', "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `x` /*!40100 DEFAULT CHARACTER SET utf8mb4 */ /*!80016 DEFAULT ENCRYPTION='N' */"],
    ['procedure', 'CREATE DEFINER=`a`@`b` PROCEDURE `x`()\nBEGIN IF 1 THEN SELECT 1; END IF; SELECT 2; END'],
    ['procedure', "CREATE PROCEDURE `x`()\n    COMMENT 'x'\nlabel: LOOP LEAVE label; END LOOP label;"],
    ['procedure', 'CREATE DEFINER="a"@"b" PROCEDURE "x" (n INT) AS a INT := 1; BEGIN SELECT a; END', 'PIPES_AS_CONCAT,ANSI_QUOTES,ORACLE'],
    ['package body', 'CREATE DEFINER="a"@"b" PACKAGE BODY "x" AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END', 'ORACLE'],
    ['function', 'CREATE DEFINER=`r` FUNCTION `x`() RETURNS int(11) DETERMINISTIC\nRETURN CASE WHEN 1 THEN 2 END'],
    ['function', 'CREATE FUNCTION `x`() RETURNS int(11)\nRETURN (SELECT soname FROM libraries)'],
    ['trigger', 'CREATE DEFINER=`a`@`b` TRIGGER `s`.`x` BEFORE INSERT ON `t` FOR EACH ROW SET NEW.a = 1'],
    ['event', 'CREATE DEFINER=`a`@`b` EVENT `x` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE DO BEGIN DELETE FROM t; END'],
  ]
  it.each(good)('%s: %s', (kind, text, sqlMode) => {
    expect(check(kind, text, sqlMode).nameTokens.at(-1)?.name).toBe('x')
  })

  it('reads the definer', () => {
    expect(check('view', "CREATE DEFINER=`o'k`@`10.%` SQL SECURITY DEFINER VIEW `x` AS select 1").definer).toMatchObject({
      user: "o'k",
      host: '10.%',
    })
    expect(check('procedure', 'CREATE DEFINER=app@localhost PROCEDURE `x`() SELECT 1').definer).toMatchObject({
      user: 'app',
      host: 'localhost',
    })
    expect(check('view', 'CREATE DEFINER=`role` VIEW `x` AS select 1').definer).toMatchObject({ user: 'role', host: '' })
  })
})

describe('accounts and grants', () => {
  const account = { type: 'account', kind: 'user', user: 'u', host: '%', grants: [] } as const
  it('accepts the account that was announced, and nothing else', () => {
    expect(() => checkAccountStatements({ ...account, create: "CREATE USER `u`@`%` IDENTIFIED BY PASSWORD '*A;B'" })).not.toThrow()
    expect(() => checkAccountStatements({ ...account, create: "CREATE USER 'u'@'%'" })).not.toThrow()
    expect(() => checkAccountStatements({ ...account, kind: 'role', host: '', create: 'CREATE ROLE `u`' })).not.toThrow()
    for (const create of [
      'CREATE USER `root`@`%`',
      'CREATE USER `u`@`h`',
      'CREATE USER `u`@`%`, `v`@`%`',
      'DROP USER `u`@`%`',
      'CREATE USER `u`@`%`; SELECT 1',
    ]) {
      expect(() => checkAccountStatements({ ...account, create }), create).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    }
  })

  it('accepts of an ALTER USER only how long the passwords of that account last', () => {
    const create = 'CREATE USER `u`@`%` PASSWORD EXPIRE'
    for (const alter of ['ALTER USER `u`@`%` PASSWORD EXPIRE NEVER', 'ALTER USER `u`@`%` PASSWORD EXPIRE INTERVAL 120 DAY'])
      expect(() => checkAccountStatements({ ...account, create, alter })).not.toThrow()
    for (const alter of [
      'ALTER USER `root`@`localhost` PASSWORD EXPIRE NEVER',
      "ALTER USER `u`@`%` IDENTIFIED BY 'x'",
      'ALTER USER `u`@`%`, `v`@`%` PASSWORD EXPIRE NEVER',
      'ALTER USER `u`@`%` PASSWORD EXPIRE NEVER; SELECT 1',
      'ALTER USER `u`@`%` PASSWORD EXPIRE NEVER ACCOUNT UNLOCK',
      'CREATE USER `u`@`%` PASSWORD EXPIRE NEVER',
    ]) {
      expect(() => checkAccountStatements({ ...account, create, alter }), alter).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
    }
  })
})
