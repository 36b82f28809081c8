import { describe, expect, it } from 'vitest'
import { eventType } from '../binlog/binlog-event-type.ts'
import { chosenUnits, type LogChoice } from './log-replay-choice.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import type { UnitPiece } from './log-replay-units.ts'

function eventOf(type: number, body: Buffer, fixedBytes = 0): ReplayEvent {
  const bytes = Buffer.concat([Buffer.alloc(19), body])
  return { type, timestamp: 1, serverId: 1, flags: 0, bytes, body: bytes.subarray(19), fixedBytes, begin: 100, end: 100 + bytes.length }
}

/** MySQL "Table_map_event": number of the table, flags, both names with their lengths, then columns. */
function tableMap(id: number, schema: string, table: string): ReplayEvent {
  const name = (text: string) => [text.length, ...Buffer.from(text), 0]
  return eventOf(eventType.TABLE_MAP, Buffer.from([id, 0, 0, 0, 0, 0, 0, 0, ...name(schema), ...name(table), 1, 3, 0, 0]), 8)
}

const rows = (id: number, ends: boolean) =>
  eventOf(eventType.WRITE_ROWS_V1, Buffer.from([id, 0, 0, 0, 0, 0, ends ? 1 : 0, 0, 1, 1, 0, 1, 0, 0, 0]), 8)

const chosen = async (events: readonly ReplayEvent[], choice: Partial<LogChoice> = {}) => {
  async function* units(): AsyncGenerator<UnitPiece, void, void> {
    const first = events[0] ?? rows(1, true)
    yield { type: 'begin', unit: { begin: 100, plain: false, single: false, first } }
    for (const event of events) yield { type: 'event', event }
    yield { type: 'end', end: 160 }
  }
  const passed: ReplayEvent[] = []
  for await (const piece of chosenUnits(units(), { skipped: new Set(), accountsLeftAlone: 'all', ...choice }, 'binlog.000001'))
    if (piece.type === 'event') passed.push(piece.event)
  return passed
}

it('leaves out rows of the journal and of the server itself, and says so of the latter', async () => {
  const told: string[] = []
  const wanted = [tableMap(2, 'shop', 't'), rows(2, true)]
  const events = [
    ...[tableMap(1, 'backup_planet_restore', 'replay'), rows(1, true)],
    ...wanted,
    ...[tableMap(3, 'mysql', 'global_priv'), rows(3, true)],
  ]
  expect(await chosen(events, { onServerTable: (table) => told.push(table) })).toEqual(wanted)
  expect(told).toEqual(['mysql.global_priv'])
})

it('lets the last wanted rows end a statement whose last rows are left out', async () => {
  const [map, changed] = await chosen([tableMap(1, 'shop', 't'), tableMap(2, 'mysql', 'user'), rows(1, false), rows(2, true)])
  expect(map?.type).toBe(eventType.TABLE_MAP)
  expect(changed?.body[6]).toBe(1)
})

it('refuses LOAD DATA that was logged as a statement where not everything is restored', async () => {
  const event = eventOf(eventType.EXECUTE_LOAD_QUERY, Buffer.alloc(37))
  await expect(chosen([event], { schemas: new Set(['shop']) })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/^binlog binlog.000001 at offset 100: .*LOAD DATA/),
  })
  expect(await chosen([event])).toEqual([event])
})

describe('a statement that was logged with its sql_mode', () => {
  const leftOut = {
    schemas: ['scratch'],
    tables: [],
    rows: [],
    sequences: [],
    patterns: { excludeSchemas: ['scratch'], excludeTables: [] },
    lowerCaseTableNames: 0,
  }
  /** Flags and sql_mode, as the server writes them: a code before each. */
  const statement = (sqlMode: number, schema: string, text: string) => {
    const status = Buffer.alloc(14)
    status[5] = 1
    status.writeBigUInt64LE(BigInt(sqlMode), 6)
    const fixed = Buffer.alloc(13)
    fixed[8] = schema.length
    fixed.writeUInt16LE(status.length, 11)
    return eventOf(eventType.QUERY, Buffer.concat([fixed, status, Buffer.from(`${schema}\0${text}`)]), 13)
  }
  const textOf = (event: ReplayEvent | undefined) => event?.body.toString('utf8', 28)

  it('is read as the server did', async () => {
    const text = 'ALTER TABLE "shop"."orders" ADD c INT'
    const [passed] = await chosen([statement(4, 'scratch', text)], { leftOut })
    expect(textOf(passed)).toContain(text)
    await expect(chosen([statement(0, 'scratch', text)], { leftOut })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(await chosen([statement(4, 'shop', 'ALTER TABLE "scratch"."t" ADD c INT')], { leftOut })).toEqual([])
  })

  it('is told where it gives rights on what was left out, but where no account is restored', async () => {
    const told: string[] = []
    const onRightsLeftOut = (text: string) => told.push(text)
    const events = [statement(0, '', 'GRANT EXECUTE ON PROCEDURE scratch.p TO a@b')]
    expect(await chosen(events, { leftOut, onRightsLeftOut })).toEqual([])
    expect(told).toEqual([])
    expect(await chosen(events, { leftOut, onRightsLeftOut, accountsLeftAlone: new Set() })).toEqual([])
    expect(told).toEqual(['GRANT EXECUTE ON PROCEDURE scratch.p TO a@b'])
  })

  it('is refused on a table whose trigger is in the logs and left out', async () => {
    const triggered = new Set<string>()
    const inserted = statement(0, 'scratch', 'INSERT INTO t VALUES (1)')
    expect(await chosen([inserted], { leftOut, triggered })).toEqual([])
    const created = statement(0, 'scratch', 'CREATE TRIGGER tr AFTER INSERT ON T FOR EACH ROW INSERT INTO shop.t VALUES (1)')
    await expect(chosen([created, inserted], { leftOut, triggered })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('changes scratch.t, which is not restored and whose triggers'),
    })
  })

  it('loses from its list what was left out', async () => {
    const [passed] = await chosen([statement(4 + 2 ** 18, 'shop', 'DROP TABLE "scratch"."t","t"')], { leftOut })
    expect(textOf(passed)).toMatch(/DROP TABLE "t"$/)
  })
})
