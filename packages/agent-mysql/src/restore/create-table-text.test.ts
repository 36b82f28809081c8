import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import { deferKeys, joinCreateTable, splitCreateTable, withoutDirectories } from './create-table-text.ts'

const hostile = 'it\'s, a (trap) `KEY` "x" -- /* \\'
const orders = [
  'CREATE TABLE `or,ders` (',
  '  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,',
  `  \`note(\` varchar(40) DEFAULT ${quoteText(hostile)} COMMENT ${quoteText(`${hostile}, KEY \`k\` (\`id\`)`)},`,
  '  `total` decimal(10,2) GENERATED ALWAYS AS (round(`price` * if(`n` > 0,`n`,1),2)) VIRTUAL,',
  "  `state` enum('a,b','c)') DEFAULT NULL,",
  '  PRIMARY KEY (`id`),',
  '  UNIQUE KEY `u` (`note(`),',
  '  KEY `a` (`total`,`state`),',
  '  FULLTEXT KEY `f1` (`note(`),',
  '  FULLTEXT KEY `f2` (`state`),',
  '  CONSTRAINT `fk,1` FOREIGN KEY (`id`) REFERENCES `other` (`id`) ON DELETE CASCADE,',
  '  CONSTRAINT `positive` CHECK (`total` > 0)',
  ") ENGINE=InnoDB AUTO_INCREMENT=7 COMMENT='x, ) y'",
  '/*!50100 PARTITION BY RANGE (`id`)',
  '(PARTITION p0 VALUES LESS THAN (10)) */',
].join('\n')

describe('splitCreateTable', () => {
  it('finds every definition whatever stands in quotes', () => {
    const table = splitCreateTable(orders)
    expect(table.definitions.map((definition) => [definition.kind, definition.name])).toEqual([
      ['column', 'id'],
      ['column', 'note('],
      ['column', 'total'],
      ['column', 'state'],
      ['primary', 'PRIMARY'],
      ['unique', 'u'],
      ['key', 'a'],
      ['fulltext', 'f1'],
      ['fulltext', 'f2'],
      ['foreign', 'fk,1'],
      ['check', 'positive'],
    ])
    expect(table.definitions[6]?.columns).toEqual(['total', 'state'])
    expect(table.tail).toMatch(/^\) ENGINE[\s\S]*\*\/$/)
    expect(joinCreateTable(table)).toBe(orders)
  })

  it.each([
    '',
    'SELECT 1',
    'CREATE TABLE `t` LIKE `u`',
    'CREATE TABLE `t` (`a` int',
    "CREATE TABLE `t` (`a` varchar(3) DEFAULT 'x)",
    'CREATE TABLE `t` (`a` int,)',
  ])('refuses %j', (text) => {
    expect(() => splitCreateTable(text)).toThrow(expect.objectContaining({ code: 'CORRUPTED' }))
  })
})

describe('deferKeys', () => {
  it('takes secondary keys and foreign keys out, and FULLTEXT keys one by one', () => {
    const deferred = deferKeys(splitCreateTable(orders), { keys: true })
    expect(deferred.keys.map((group) => group.map((key) => key.name))).toEqual([['u', 'a'], ['f1'], ['f2']])
    expect(deferred.foreignKeys.map((key) => key.name)).toEqual(['fk,1'])
    expect(splitCreateTable(deferred.create).definitions.map((definition) => definition.kind)).toEqual([
      'column',
      'column',
      'column',
      'column',
      'primary',
      'check',
    ])
  })

  it('keeps keys when asked to, and foreign keys never', () => {
    const deferred = deferKeys(splitCreateTable(orders), { keys: false })
    expect(deferred.keys).toEqual([])
    expect(deferred.foreignKeys).toHaveLength(1)
  })

  it('keeps the key that AUTO_INCREMENT needs and every key before it, so that the order stays', () => {
    const text =
      'CREATE TABLE `t` (\n  `A` int NOT NULL,\n  `n` int NOT NULL AUTO_INCREMENT,\n  PRIMARY KEY (`A`),\n  KEY `first` (`A`),\n  KEY `counter` (`N`,`A`),\n  KEY `last` (`A`)\n) ENGINE=InnoDB'
    const deferred = deferKeys(splitCreateTable(text), { keys: true })
    expect(deferred.keys.flat().map((key) => key.name)).toEqual(['last'])
  })

  it('keeps unique keys of a table without primary key, keys that hold periods or hashes, and all keys of a versioned table', () => {
    const names = (text: string) =>
      deferKeys(splitCreateTable(text), { keys: true })
        .keys.flat()
        .map((key) => key.name)
    expect(names('CREATE TABLE `t` (\n  `a` int NOT NULL,\n  UNIQUE KEY `u` (`a`),\n  KEY `k` (`a`)\n)')).toEqual(['k'])
    expect(
      names('CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  UNIQUE KEY `o` (`a`,`p` WITHOUT OVERLAPS),\n  KEY `k` (`a`)\n)'),
    ).toEqual(['k'])
    expect(names('CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  UNIQUE KEY `h` (`b`) USING HASH\n)')).toEqual([])
    expect(names('CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`a`)\n) ENGINE=InnoDB WITH SYSTEM VERSIONING')).toEqual(
      [],
    )
  })

  it('does not take a string or a column name for AUTO_INCREMENT', () => {
    const text =
      "CREATE TABLE `t` (\n  `AUTO_INCREMENT` int DEFAULT NULL COMMENT 'AUTO_INCREMENT',\n  PRIMARY KEY (`x`),\n  KEY `k` (`AUTO_INCREMENT`)\n)"
    expect(deferKeys(splitCreateTable(text), { keys: true }).keys.flat()).toHaveLength(1)
  })

  it('loses and invents nothing, for any names and any order of definitions', () => {
    const name = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'ab`\'"(),\\ \n-#/*é😀') })
    const column = fc
      .tuple(name, fc.constantFrom('int(11)', "enum('a,b',')(')", 'varchar(9) CHARACTER SET latin1'), name)
      .map(([own, type, comment]) => `${quoteIdentifier(own)} ${type} COMMENT ${quoteText(comment)}`)
    const key = fc
      .tuple(fc.constantFrom('KEY', 'UNIQUE KEY', 'FULLTEXT KEY', 'SPATIAL KEY'), name, fc.array(name, { minLength: 1, maxLength: 3 }))
      .map(([kind, own, columns]) => `${kind} ${quoteIdentifier(own)} (${columns.map((part) => `${quoteIdentifier(part)}(3)`).join(',')})`)
    const foreign = fc
      .tuple(name, name, name)
      .map(
        ([own, a, b]) => `CONSTRAINT ${quoteIdentifier(own)} FOREIGN KEY (${quoteIdentifier(a)}) REFERENCES ${quoteIdentifier(b)} (\`id\`)`,
      )
    const check = fc.tuple(name, name).map(([own, text]) => `CONSTRAINT ${quoteIdentifier(own)} CHECK (\`a\` <> ${quoteText(text)})`)
    fc.assert(
      fc.property(
        fc.array(column, { minLength: 1, maxLength: 4 }),
        fc.array(fc.oneof(key, foreign, check), { maxLength: 6 }),
        fc.boolean(),
        (columns, others, keys) => {
          const definitions = [...columns, 'PRIMARY KEY (`id`)', ...others]
          const text = `CREATE TABLE \`t\` (\n  ${definitions.join(',\n  ')}\n) ENGINE=InnoDB`
          const table = splitCreateTable(text)
          expect(table.definitions.map((definition) => definition.text)).toEqual(definitions)
          expect(joinCreateTable(table)).toBe(text)
          const deferred = deferKeys(table, { keys })
          const again = [...splitCreateTable(deferred.create).definitions, ...deferred.keys.flat(), ...deferred.foreignKeys].map(
            (definition) => definition.text,
          )
          expect(again.toSorted()).toEqual(definitions.toSorted())
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('withoutDirectories', () => {
  it('leaves out directories of tables and partitions, and nothing that only looks so', () => {
    const text =
      "CREATE TABLE `t` (\n  `DATA` int COMMENT 'DATA DIRECTORY=\\'/x\\''\n) ENGINE=InnoDB DATA DIRECTORY='/srv/a' INDEX DIRECTORY '/b'"
    const result = withoutDirectories(text)
    expect(result.removed).toBe(2)
    expect(result.text).not.toContain('/srv')
    expect(result.text).toContain("COMMENT 'DATA DIRECTORY")
  })
})
