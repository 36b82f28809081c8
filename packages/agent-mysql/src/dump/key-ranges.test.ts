import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  borderLiteral,
  chooseKey,
  integerRanges,
  type KeyColumn,
  type KeyRange,
  type RangeSource,
  stepStatement,
  walkRanges,
} from './key-ranges.ts'

async function all(source: RangeSource): Promise<KeyRange[]> {
  const ranges: KeyRange[] = []
  for (let range = await source.next(); range !== undefined; range = await source.next()) ranges.push(range)
  return ranges
}

function holds(range: KeyRange, value: bigint): boolean {
  const above = range.from === undefined || (range.fromInclusive ? value >= BigInt(range.from) : value > BigInt(range.from))
  const below = range.to === undefined || (range.toInclusive ? value <= BigInt(range.to) : value < BigInt(range.to))
  return above && below
}

const keys = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })

test('every integer is in exactly one part, whatever the server estimates', async () => {
  await fc.assert(
    fc.asyncProperty(
      keys,
      keys,
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 50 }),
      fc.array(keys, { maxLength: 20 }),
      async (a, b, guesses, probes) => {
        const [minimum, maximum] = a < b ? [a, b] : [b, a]
        let asked = 0
        // After a while the guesses become small, as they do on a real table, since a part of one key cannot be cut further.
        const estimate = async () => (asked > 200 ? 0 : (guesses[asked++ % guesses.length] ?? 0))
        const ranges = await all(integerRanges({ column: 'id', minimum, maximum, rowsPerChunk: 10, estimate }))
        for (const probe of [...probes, minimum, maximum, minimum - 1n, maximum + 1n]) {
          expect(ranges.filter((range) => holds(range, probe))).toHaveLength(1)
        }
      },
    ),
    { numRuns: 200 },
  )
})

test('a far outlier does not leave all the rows in one part', async () => {
  const rows = [...Array.from({ length: 1000 }, (_, index) => BigInt(index)), 2n ** 64n - 1n]
  const estimate = async (from: bigint, to: bigint) => Math.max(1, rows.filter((row) => row >= from && row <= to).length)
  const ranges = await all(integerRanges({ column: 'id', minimum: 0n, maximum: 2n ** 64n - 1n, rowsPerChunk: 100, estimate }))
  const sizes = ranges.map((range) => rows.filter((row) => holds(range, row)).length)
  expect(Math.max(...sizes)).toBeLessThanOrEqual(150)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(rows.length)
})

test('a walk covers everything between its borders once and ends open', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 10 }),
      async (values, step) => {
        const sorted = values.toSorted((a, b) => a - b)
        const source = walkRanges({
          column: 'k',
          step: async (after) => sorted.filter((value) => after === undefined || value > Number(after))[step - 1]?.toString(),
        })
        const ranges = await all(source)
        for (const value of [...sorted, -1, 1001]) expect(ranges.filter((range) => holds(range, BigInt(value)))).toHaveLength(1)
        expect(ranges.at(-1)?.to).toBeUndefined()
        expect(ranges[0]?.from).toBeUndefined()
      },
    ),
  )
})

const column = (more: Partial<KeyColumn>): KeyColumn => ({
  index: 'PRIMARY',
  unique: true,
  sequence: 1,
  column: 'id',
  nullable: false,
  prefix: false,
  dataType: 'int',
  ...more,
})

test('the key to cut by is the primary one, else an integer one, never one that may be NULL or is a prefix', () => {
  expect(chooseKey([])).toBeUndefined()
  expect(chooseKey([column({ nullable: true, index: 'u' })])).toBeUndefined()
  expect(chooseKey([column({ unique: false, index: 'i' })])).toBeUndefined()
  expect(chooseKey([column({ prefix: true, dataType: 'varchar', characterSet: 'utf8mb4' })])).toBeUndefined()
  expect(chooseKey([column({ index: 'u' }), column({ index: 'u', sequence: 2, column: 'b', nullable: true })])).toBeUndefined()
  expect(chooseKey([column({ dataType: 'float' })])).toBeUndefined()
  expect(
    chooseKey([column({ dataType: 'varchar', characterSet: 'latin1', index: 'a', column: 'name' }), column({ index: 'b' })]),
  ).toMatchObject({ index: 'b', kind: 'integer' })
  expect(chooseKey([column({ index: 'b' }), column({ dataType: 'varchar', characterSet: 'latin1', column: 'name' })])).toMatchObject({
    index: 'PRIMARY',
    kind: 'walk',
  })
})

test('borders of a walk become literals that no value can break out of', () => {
  const text = chooseKey([column({ dataType: 'varchar', characterSet: 'utf8mb4' })])
  const date = chooseKey([column({ dataType: 'date' })])
  const binary = chooseKey([column({ dataType: 'varbinary' })])
  if (text === undefined || date === undefined || binary === undefined) throw new Error('a key was not chosen')
  expect(borderLiteral(text, '27')).toBe("_utf8mb4 x'27'")
  expect(borderLiteral(binary, '00FF')).toBe("x'00FF'")
  expect(borderLiteral(date, "2020-01-01' OR '1")).toBe("'2020-01-01'' OR ''1'")
  expect(stepStatement('`s`.`t`', text, "_utf8mb4 x'27'", 100)).toBe(
    "SELECT HEX(`id`) AS border FROM `s`.`t` FORCE INDEX (`PRIMARY`) WHERE `id` > _utf8mb4 x'27' ORDER BY `id` LIMIT 99, 1",
  )
})
