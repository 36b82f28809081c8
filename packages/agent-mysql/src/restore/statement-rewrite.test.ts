import { describe, expect, it } from 'vitest'
import { checkCreateStatement } from './create-statement-guard.ts'
import { significantTokens, tokenizeSql } from './sql-tokenizer.ts'
import {
  countQualifiers,
  mapCollations,
  quoteAccount,
  renameAllQualifiers,
  renameGrant,
  renameQualifiers,
  renameTriggerTable,
  rewriteCreate,
} from './statement-rewrite.ts'

const view =
  "CREATE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `old`.`x` AS select `old`.`t`.`old` AS `old`,'`old`.`t`' AS `s` from `old`.`t` -- `old`.`t`"
const checked = checkCreateStatement({ kind: 'view', name: 'x', schema: 'old' }, view)
const options = { from: 'old', to: 'n`ew', stripDefiner: false, definerMap: {} }

describe('rewriting statements', () => {
  it('renames qualifiers, but neither columns nor strings nor comments', () => {
    expect(renameQualifiers('select `old`.`t`.`old` AS `old`,"`old`.`t`" from `old`.`t` -- `old`.`t`', 'old', 'n`ew')).toBe(
      'select `n``ew`.`t`.`old` AS `old`,"`old`.`t`" from `n``ew`.`t` -- `old`.`t`',
    )
    expect(countQualifiers("SELECT old.a, 'old.a', x.old.b", 'old')).toBe(1)
  })

  it('leaves columns of a table alone whose alias is the name of the schema', () => {
    const renamed = (text: string) => renameQualifiers(text, 'old', 'new')
    const body = 'select `old`.`id` AS `id`,`old`.`f`(`old`.`n`) AS `f`,nextval(`old`.`s`) AS `s`,`old`.`old`.`id` AS `x`'
    const head = 'CREATE VIEW `old`.`v` AS '
    expect(renamed(`${head}${body} from `.concat('`old`.`t` `old` where `old`.`id` > 1'))).toBe(
      'CREATE VIEW `new`.`v` AS select `old`.`id` AS `id`,`new`.`f`(`old`.`n`) AS `f`,nextval(`new`.`s`) AS `s`,`new`.`old`.`id` AS `x` from `new`.`t` `old` where `old`.`id` > 1',
    )
    expect(
      renamed(
        'select `old`.`a` from ((`old`.`t` `old` left join `old`.`u` on(`old`.`a` = `u`.`b`)) join (select `old`.`c` AS `c` from `old`.`w` union select extract(year from `old`.`d`) from `x` `old`) `y` on(trim(both `old`.`p` from `old`.`q`))) order by `old`.`a`',
      ),
    ).toBe(
      'select `old`.`a` from ((`new`.`t` `old` left join `new`.`u` on(`old`.`a` = `u`.`b`)) join (select `old`.`c` AS `c` from `new`.`w` union select extract(year from `old`.`d`) from `x` `old`) `y` on(trim(both `old`.`p` from `old`.`q`))) order by `old`.`a`',
    )
    expect(
      renamed('select `old`.`a` from `x` `old` where `old`.`a` in (select `old`.`b` from `old`.`z` join `old`.`t2` on(1), `old`.`t3`)'),
    ).toBe('select `old`.`a` from `x` `old` where `old`.`a` in (select `old`.`b` from `new`.`z` join `new`.`t2` on(1), `new`.`t3`)')
  })

  it("lets schemas take each other's names", () => {
    const swap = new Map([
      ['a', 'b'],
      ['b', 'a'],
    ])
    expect(renameAllQualifiers("select `a`.`x` from `b`.`y`, a.z -- 'a'.", swap)).toBe("select `b`.`x` from `a`.`y`, `b`.z -- 'a'.")
  })

  it('replaces collations, but no names that look like them', () => {
    const text = "CREATE TABLE `old_ci` (`a` char(3) CHARACTER SET x COLLATE old_ci COMMENT 'COLLATE old_ci') COLLATE=old_ci"
    expect(mapCollations(text, { old_ci: 'new_ci' })).toBe(
      "CREATE TABLE `old_ci` (`a` char(3) CHARACTER SET x COLLATE new_ci COMMENT 'COLLATE old_ci') COLLATE=new_ci",
    )
  })

  it('renames the schema of the name, and strips or maps the definer', () => {
    expect(rewriteCreate(view, checked, options)).toContain('DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `n``ew`.`x` AS')
    expect(rewriteCreate(view, checked, { ...options, to: 'old' })).toBe(view)
    expect(rewriteCreate(view, checked, { ...options, stripDefiner: true })).not.toContain('DEFINER=')
    expect(rewriteCreate(view, checked, { ...options, stripDefiner: true, definerMap: { 'a@%': "b'c@host" } })).toContain(
      "DEFINER='b\\'c'@'host' SQL",
    )
  })

  it('renames the schema of a grant', () => {
    const rename = new Map([['my_shop', 'shop2_x']])
    const renamed = (text: string) => renameGrant(text, significantTokens(tokenizeSql(text)), rename)
    expect(renamed('GRANT SELECT ON `my_shop`.* TO `my_shop`@`%`')).toBe('GRANT SELECT ON `shop2_x`.* TO `my_shop`@`%`')
    expect(renamed('GRANT SELECT ON `my\\_shop`.* TO `u`@`%`')).toBe('GRANT SELECT ON `shop2\\_x`.* TO `u`@`%`')
    expect(renamed('GRANT EXECUTE ON PROCEDURE `my_shop`.`p` TO `u`@`%`')).toBe('GRANT EXECUTE ON PROCEDURE `shop2_x`.`p` TO `u`@`%`')
    expect(renamed('GRANT USAGE ON *.* TO `u`@`%`')).toBe('GRANT USAGE ON *.* TO `u`@`%`')
    expect(renamed('GRANT `role` TO `u`@`%`')).toBe('GRANT `role` TO `u`@`%`')
  })

  it('renames the table of a trigger, and refuses one of another schema', () => {
    const text = 'CREATE TRIGGER x BEFORE INSERT ON old . t FOR EACH ROW SET @a = "ON old.t"'
    expect(renameTriggerTable(text, 'old', 'new')).toBe('CREATE TRIGGER x BEFORE INSERT ON `new` . t FOR EACH ROW SET @a = "ON old.t"')
    expect(renameTriggerTable(text, 'old', 'old')).toBe(text)
    expect(() => renameTriggerTable(text, 'other', 'new')).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })

  it('quotes accounts', () => {
    expect(quoteAccount('a@b@%')).toBe("'a@b'@'%'")
    expect(quoteAccount('role')).toBe("'role'")
    expect(() => quoteAccount('@%')).toThrow(/no account/)
  })
})
