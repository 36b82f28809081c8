import fc from 'fast-check'
import { quoteIdentifier, quoteText } from '../src/mysql-quoting.ts'

/** SQL that creates a schema nobody would write by hand. */
export interface GeneratedSchema {
  readonly name: string
  /** For the `mariadb` client, with DELIMITER. */
  readonly sql: string
}

const reserved = ['select', 'order', 'key', 'table', 'group', 'from', 'PRIMARY KEY', 'AUTO_INCREMENT', 'rank', 'check']
const oddCharacters = [...'aZ09_$ .,;:-+*/\\\'"`()[]{}<>|&^%#@!?~=é漢ß\t']

/** Names may hold anything but NUL, characters outside the BMP and a space at the end (MariaDB manual, "Identifier Names"). */
const identifier = fc
  .oneof(fc.constantFrom(...reserved), fc.string({ unit: fc.constantFrom(...oddCharacters), minLength: 1, maxLength: 20 }))
  .map((name) => name.trim() || 'x')
/** Schema names become folder names of a test, and file names of the server. */
const schemaName = fc.string({ unit: fc.constantFrom(...'abcXYZ019_$-é漢 '), minLength: 1, maxLength: 16 }).map((name) => `g${name.trim()}`)

const bytes = (maximum: number) => fc.uint8Array({ minLength: 0, maxLength: maximum })
const hex = (data: Uint8Array) => (data.length === 0 ? "''" : `x'${Buffer.from(data).toString('hex')}'`)
const decimalDigits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 }).map((digits) => digits.join(''))
const unicode = fc.string({
  unit: fc.constantFrom('a', 'Z', ' ', '\t', '\n', '\\', '\0', "'", '"', '`', '\r', '\x1a', 'é', '漢', '😀', 'ß', '\\N', '|', ','),
  maxLength: 12,
})
const date = fc.constantFrom("'0000-00-00'", "'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "'2024-00-00'", "'2023-02-31'")
const double = fc.oneof(
  fc.constantFrom(0, 1.7976931348623157e308, -1.7976931348623157e308, 2.2250738585072014e-308, 0.1, 1 / 3, 1e15 + 0.3, -123456.789),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const float = fc.float({ noNaN: true, noDefaultInfinity: true })
const point = fc.tuple(fc.integer({ min: -180, max: 180 }), fc.integer({ min: -90, max: 90 })).map(([x, y]) => `${x} ${y}`)

interface ColumnType {
  readonly type: string
  readonly value: fc.Arbitrary<string>
  /** Can stand in a key as it is. */
  readonly key: boolean
}

const columnTypes: readonly ColumnType[] = [
  { type: 'TINYINT', key: true, value: fc.integer({ min: -128, max: 127 }).map(String) },
  { type: 'SMALLINT UNSIGNED ZEROFILL', key: true, value: fc.integer({ min: 0, max: 65_535 }).map(String) },
  { type: 'INT', key: true, value: fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }).map(String) },
  { type: 'BIGINT UNSIGNED', key: true, value: fc.bigInt({ min: 0n, max: 18_446_744_073_709_551_615n }).map(String) },
  { type: 'BIGINT', key: true, value: fc.bigInt({ min: -9_223_372_036_854_775_808n, max: 9_223_372_036_854_775_807n }).map(String) },
  {
    type: 'DECIMAL(60,30)',
    key: true,
    value: fc.tuple(fc.boolean(), decimalDigits, decimalDigits).map(([minus, a, b]) => `${minus ? '-' : ''}${a}.${b}`),
  },
  { type: 'FLOAT', key: false, value: float.map((number) => number.toExponential(9)) },
  { type: 'DOUBLE', key: false, value: double.map((number) => number.toExponential(17)) },
  { type: 'BIT(1)', key: true, value: fc.constantFrom("b'0'", "b'1'") },
  {
    type: 'BIT(64)',
    key: true,
    value: fc.bigInt({ min: 0n, max: 18_446_744_073_709_551_615n }).map((number) => `b'${number.toString(2)}'`),
  },
  {
    type: 'VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    key: true,
    value: unicode.map((text) => `_utf8mb4 ${hex(Buffer.from(text))}`),
  },
  { type: 'VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_bin', key: true, value: bytes(16).map((data) => `_latin1 ${hex(data)}`) },
  {
    type: 'VARCHAR(40) CHARACTER SET ucs2 COLLATE ucs2_bin',
    key: true,
    value: unicode.map((text) => `CONVERT(_utf8mb4 ${hex(Buffer.from(text))} USING ucs2)`),
  },
  { type: 'CHAR(12) CHARACTER SET sjis', key: false, value: fc.constantFrom("CONVERT(_utf8mb4'漢字' USING sjis)", "_sjis x'835c'", "''") },
  { type: 'CHAR(12) CHARACTER SET gbk', key: false, value: fc.constantFrom("_gbk x'bf5c'", "CONVERT(_utf8mb4'漢' USING gbk)", "''") },
  {
    type: 'VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_unicode_nopad_ci',
    key: true,
    value: unicode.map((text) => `CONVERT(_utf8mb4 ${hex(Buffer.from(text))} USING utf16)`),
  },
  { type: 'VARCHAR(200) COMPRESSED', key: false, value: bytes(60).map((data) => `_latin1 ${hex(data)}`) },
  { type: 'BLOB COMPRESSED', key: false, value: bytes(40).map((data) => `REPEAT(${hex(data)}, 50)`) },
  { type: 'CHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci', key: true, value: fc.constantFrom("'a '", "'A'", "'ß'", "''") },
  { type: 'INET4', key: true, value: fc.constantFrom("'0.0.0.0'", "'255.255.255.255'", "'10.0.0.1'") },
  { type: 'BINARY(8)', key: true, value: bytes(8).map(hex) },
  { type: 'VARBINARY(300)', key: true, value: bytes(300).map(hex) },
  { type: 'LONGTEXT CHARACTER SET utf8mb4', key: false, value: unicode.map((text) => `REPEAT(_utf8mb4 ${hex(Buffer.from(text))}, 300)`) },
  {
    type: 'LONGBLOB',
    key: false,
    value: fc.oneof(
      bytes(40).map(hex),
      bytes(40).map((data) => `REPEAT(${hex(data)}, 4000)`),
    ),
  },
  { type: 'DATE', key: true, value: date },
  {
    type: 'DATETIME(6)',
    key: true,
    value: fc.constantFrom("'0000-00-00'", "'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'"),
  },
  {
    type: 'TIMESTAMP(3) NULL DEFAULT NULL',
    key: true,
    value: fc.constantFrom("'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999'", "'0000-00-00'", "'2024-03-31 01:30:00.5'"),
  },
  { type: 'TIME(6)', key: true, value: fc.constantFrom("'-838:59:59'", "'838:59:59.999999'", "'00:00:00'") },
  { type: 'YEAR', key: true, value: fc.constantFrom('1901', '2155', '0', '2024') },
  { type: "ENUM('', 'a,b', 'it''s', 'ü')", key: true, value: fc.constantFrom("'a,b'", "''", "'ü'", '3') },
  { type: "ENUM('a', 'b')", key: true, value: fc.constantFrom("'a'", "'not a member'") },
  { type: "SET('x', 'y', 'z')", key: true, value: fc.constantFrom("'x,z'", "''", '7') },
  { type: 'JSON', key: false, value: fc.json().map((text) => quoteText(text)) },
  {
    type: 'GEOMETRY',
    key: false,
    value: fc.array(point, { minLength: 2, maxLength: 5 }).map((points) => `ST_GeomFromText('LINESTRING(${points.join(',')})', 4326)`),
  },
  { type: 'POINT', key: false, value: point.map((at) => `ST_GeomFromText('POINT(${at})')`) },
  { type: 'INET6', key: true, value: fc.constantFrom("'::'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'") },
  { type: 'UUID', key: true, value: fc.uuid().map((text) => `'${text}'`) },
]

interface GeneratedTable {
  readonly name: string
  readonly sql: string
  readonly firstColumn: string
}

const shape = fc.constantFrom(
  ...['auto', 'auto', 'composite', 'string', 'none', 'unique', 'nullable', 'myisam', 'aria', 'generated', 'rounded'],
  ...['partitioned', 'subpartitioned', 'listed', 'versioned', 'versioned parts'],
)

const columnsArbitrary = fc.uniqueArray(fc.tuple(identifier, fc.constantFrom(...columnTypes), fc.boolean(), fc.boolean()), {
  minLength: 1,
  maxLength: 7,
  selector: ([name]) => name.toLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, '').replaceAll('ß', 'ss'),
})

function tableArbitrary(name: string): fc.Arbitrary<GeneratedTable> {
  return fc.tuple(shape, columnsArbitrary, fc.nat({ max: 40 }), identifier).chain(([kind, all, count, comment]) => {
    // Partitions hold no geometry.
    const columns = /part|listed/.test(kind) ? all.filter(([, { type }]) => type !== 'GEOMETRY' && type !== 'POINT') : all
    const row = fc.tuple(
      ...columns.map(([, type]) => fc.oneof({ weight: 4, arbitrary: type.value }, { weight: 1, arbitrary: fc.constant('NULL') })),
    )
    return fc.array(row, { minLength: count, maxLength: count }).map((rows) => tableSql(name, kind, columns, rows, comment))
  })
}

type Columns = readonly (readonly [string, ColumnType, boolean, boolean])[]

function tableSql(name: string, kind: string, columns: Columns, rows: readonly (readonly string[])[], comment: string): GeneratedTable {
  const own = (index: number) => `own ${index}`
  const definitions = columns.map(([column, type, , invisible]) => {
    const isHidden = invisible && !/DEFAULT/.test(type.type)
    return `${quoteIdentifier(column)} ${type.type}${isHidden ? ' INVISIBLE' : ''} COMMENT ${quoteText(comment)}`
  })
  const keyed = columns.filter(([, type, wanted]) => type.key && wanted).map(([column]) => quoteIdentifier(column))
  const keys = keyed.length > 0 ? [`KEY ${quoteIdentifier(`by ${comment}`.slice(0, 60))} (${keyed.slice(0, 3).join(', ')})`] : []
  // The server takes the texts of expressions for those of the table's character set, and refuses others.
  const plain = quoteText(comment.replaceAll(/[^ -~]/g, '.'))
  const identity = `${quoteIdentifier(own(0))} INT NOT NULL`
  const parts: Record<string, { before: string[]; after: string[]; options: string }> = {
    auto: {
      before: [`${identity} AUTO_INCREMENT`],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: 'ENGINE=InnoDB AUTO_INCREMENT=1000',
    },
    composite: {
      before: [identity, `${quoteIdentifier(own(1))} VARCHAR(20) CHARACTER SET utf8mb4 NOT NULL`],
      after: [`PRIMARY KEY (${quoteIdentifier(own(1))}(10), ${quoteIdentifier(own(0))})`],
      options: 'ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8',
    },
    string: {
      before: [`${quoteIdentifier(own(0))} VARBINARY(30) NOT NULL`],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: 'ENGINE=InnoDB',
    },
    none: { before: [identity], after: [], options: 'ENGINE=InnoDB' },
    unique: { before: [identity], after: [`UNIQUE KEY (${quoteIdentifier(own(0))})`], options: 'ENGINE=InnoDB' },
    partitioned: {
      before: [identity],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: `ENGINE=InnoDB PARTITION BY RANGE (${quoteIdentifier(own(0))}) (PARTITION p0 VALUES LESS THAN (10), PARTITION \`p,1\` VALUES LESS THAN MAXVALUE)`,
    },
    subpartitioned: {
      before: [identity],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: `ENGINE=InnoDB PARTITION BY RANGE (${quoteIdentifier(own(0))} % 100) SUBPARTITION BY KEY (${quoteIdentifier(own(0))}) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (7) COMMENT ${quoteText(comment)}, PARTITION \`b c\` VALUES LESS THAN MAXVALUE)`,
    },
    listed: {
      before: [identity],
      after: [`KEY (${quoteIdentifier(own(0))})`],
      options: `ENGINE=InnoDB PARTITION BY LIST (${quoteIdentifier(own(0))}) (PARTITION a VALUES IN (1, 2, 3), PARTITION b DEFAULT)`,
    },
    'versioned parts': {
      before: [identity],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: 'ENGINE=InnoDB WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION now CURRENT)',
    },
    nullable: {
      before: [`${quoteIdentifier(own(0))} INT`, `${quoteIdentifier('never filled')} VARCHAR(9)`],
      after: [
        `UNIQUE KEY (${quoteIdentifier(own(0))}, ${quoteIdentifier('never filled')})`,
        `KEY ${quoteIdentifier('i ` %')} (${quoteIdentifier(own(0))} DESC) IGNORED`,
        `CONSTRAINT ${quoteIdentifier('c, )')} CHECK (${quoteIdentifier(own(0))} >= 0 OR ${plain} <> ')' OR ${plain} LIKE '%')`,
      ],
      options: `ENGINE=InnoDB ROW_FORMAT=REDUNDANT COMMENT=${quoteText(comment)}`,
    },
    aria: { before: [identity], after: [`KEY (${quoteIdentifier(own(0))})`], options: 'ENGINE=Aria TRANSACTIONAL=0' },
    rounded: {
      before: [
        identity,
        `${quoteIdentifier('made by itself')} VARCHAR(60) CHARACTER SET utf8mb4 DEFAULT (CONCAT('(', ${plain}, ','))`,
        `${quoteIdentifier('changed')} TIMESTAMP(6) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(6)`,
        `${quoteIdentifier("rounded '")} DECIMAL(5,2) AS (${quoteIdentifier(own(0))} / 7) PERSISTENT`,
        `${quoteIdentifier('cut')} VARCHAR(3) AS (CONCAT('cut', ${quoteIdentifier(own(0))})) PERSISTENT`,
      ],
      after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`],
      options: 'ENGINE=InnoDB ROW_FORMAT=COMPACT',
    },
    versioned: { before: [identity], after: [`PRIMARY KEY (${quoteIdentifier(own(0))})`], options: 'ENGINE=InnoDB WITH SYSTEM VERSIONING' },
    myisam: { before: [identity], after: [`KEY (${quoteIdentifier(own(0))})`], options: 'ENGINE=MyISAM' },
    generated: {
      before: [
        identity,
        `${quoteIdentifier('virtual )')} INT AS (${quoteIdentifier(own(0))} % 7) VIRTUAL`,
        `${quoteIdentifier('stored "')} VARCHAR(40) AS (CONCAT(${quoteIdentifier(own(0))}, ',', 'x')) STORED`,
      ],
      after: [
        `PRIMARY KEY (${quoteIdentifier(own(0))})`,
        `KEY ${quoteIdentifier('on virtual')} (${quoteIdentifier('virtual )')}, ${quoteIdentifier('stored "')})`,
      ],
      options: 'ENGINE=InnoDB',
    },
  }
  const part = parts[kind]
  if (part === undefined) throw new TypeError(`no table is ${kind}`)
  const ownColumns = kind === 'composite' ? [own(0), own(1)] : [own(0)]
  const names = [...ownColumns, ...columns.map(([column]) => column)].map(quoteIdentifier).join(', ')
  const values = rows.map((row, index) => {
    const first = kind === 'string' ? `CONCAT(x'00ff', ${index})` : String(index)
    return `(${[first, ...(kind === 'composite' ? [`'k${index % 3}é'`] : []), ...row].join(', ')})`
  })
  const quoted = quoteIdentifier(name)
  const sql = [
    `CREATE TABLE ${quoted} (${[...part.before, ...definitions, ...part.after, ...keys].join(', ')}) ${part.options};`,
    ...values.map((value) => `INSERT IGNORE INTO ${quoted} (${names}) VALUES ${value};`),
    ...(kind.startsWith('versioned')
      ? [
          `UPDATE ${quoted} SET ${quoteIdentifier(own(0))} = ${quoteIdentifier(own(0))} + 1000 WHERE ${quoteIdentifier(own(0))} < 3;`,
          `DELETE FROM ${quoted} WHERE ${quoteIdentifier(own(0))} = 5;`,
        ]
      : []),
  ].join('\n')
  return { name, sql, firstColumn: own(0) }
}

const tables = fc
  .uniqueArray(identifier, {
    minLength: 1,
    maxLength: 4,
    selector: (name) => name.toLowerCase().normalize('NFKD').replaceAll(/\p{M}/gu, ''),
  })
  .chain((names) => fc.tuple(...names.map((name) => tableArbitrary(name))))

/** Schemas with tables of any shape, and views, programs, sequences and foreign keys around them. */
export const generatedSchema: fc.Arbitrary<GeneratedSchema> = fc
  .tuple(
    schemaName,
    tables,
    fc.constantFrom('utf8mb4_unicode_ci', 'latin1_swedish_ci', 'utf8mb3_bin'),
    fc.constantFrom('', 'ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'ORACLE'),
    unicode,
  )
  .map(([name, all, collation, mode, text]) => {
    const own = quoteIdentifier(name)
    const first = all[0]
    if (first === undefined) throw new TypeError('a schema without tables')
    const shown = text.replaceAll('\0', '').replaceAll('\\', '').replaceAll('\r', '').replaceAll('\u001a', '')
    const literal = `'${shown.replaceAll("'", "''")}'`
    // SHOW CREATE EVENT writes a line feed as \n even where the backslash is no escape, so that nobody can bring this one back.
    const eventComment = mode === 'NO_BACKSLASH_ESCAPES' ? literal.replaceAll('\n', ' ') : literal
    const sql = [
      'SET NAMES utf8mb4;',
      "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', innodb_strict_mode = OFF, time_zone = '+00:00';",
      `CREATE DATABASE ${own} COLLATE ${collation};`,
      `USE ${own};`,
      `CREATE SEQUENCE \`seq ;\` START WITH 100 INCREMENT BY -3 MINVALUE -1000 MAXVALUE 1000 CACHE 5;`,
      'DO NEXTVAL(`seq ;`);',
      ...all.map((table) => table.sql),
      'CREATE TABLE `parent )` (id INT NOT NULL PRIMARY KEY, other INT, KEY (other)) ENGINE=InnoDB;',
      'CREATE TABLE `child (` (id INT NOT NULL PRIMARY KEY DEFAULT NEXTVAL(`seq ;`), parent INT, self INT, CONSTRAINT `fk , 2` FOREIGN KEY (parent) REFERENCES `parent )` (id) ON UPDATE CASCADE, CONSTRAINT `fk 1` FOREIGN KEY (self) REFERENCES `child (` (id) ON DELETE SET NULL) ENGINE=InnoDB;',
      'INSERT INTO `parent )` VALUES (1, 2), (2, 1);',
      'INSERT INTO `child (` (parent, self) VALUES (1, NULL), (2, NULL);',
      `CREATE VIEW \`b view\` AS SELECT ${quoteIdentifier(first.firstColumn)} AS \`the "first"\`, ${literal} AS t FROM ${quoteIdentifier(first.name)};`,
      'CREATE VIEW `a view` AS SELECT `the "first"`, t FROM `b view` UNION SELECT 1, \'x\';',
      `SET sql_mode = '${mode}';`,
      'DELIMITER $$end$$',
      mode === 'ORACLE'
        ? `CREATE PROCEDURE \`a; proc\` (n INT) AS a INT := 1; BEGIN SELECT a + n; SELECT ${literal}; END $$end$$`
        : `CREATE PROCEDURE \`a; proc\`(n INT) COMMENT 'c;' BEGIN DECLARE a INT DEFAULT 1; IF n > 1 THEN SELECT ${literal}; END IF; SELECT a; END $$end$$`,
      mode === 'ORACLE'
        ? 'CREATE FUNCTION `fn` (n INT) RETURN INT DETERMINISTIC AS BEGIN RETURN n + 1; END $$end$$'
        : 'CREATE FUNCTION `fn`(n INT) RETURNS INT DETERMINISTIC RETURN CASE WHEN n > 1 THEN n ELSE 0 END $$end$$',
      ...(mode === 'ORACLE'
        ? [
            'CREATE PACKAGE `pack` AS FUNCTION f RETURN INT; END $$end$$',
            'CREATE PACKAGE BODY `pack` AS x INT := 1; FUNCTION f RETURN INT AS BEGIN RETURN x; END; END $$end$$',
          ]
        : []),
      `CREATE TRIGGER \`tr "1\` BEFORE INSERT ON \`parent )\` FOR EACH ROW BEGIN SET NEW.other = NEW.id; END $$end$$`,
      `CREATE TRIGGER \`tr 2\` AFTER UPDATE ON \`parent )\` FOR EACH ROW INSERT INTO \`child (\` (parent) VALUES (NEW.id) $$end$$`,
      `CREATE EVENT \`ev é\` ON SCHEDULE EVERY 3 HOUR STARTS '2031-05-05 01:02:03' ON COMPLETION PRESERVE DISABLE COMMENT ${eventComment} DO BEGIN DELETE FROM \`child (\`; END $$end$$`,
      'DELIMITER ;',
      '',
    ].join('\n')
    return { name, sql }
  })
