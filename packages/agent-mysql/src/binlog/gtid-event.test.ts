import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { serializedUnsigned, taggedGtidBody } from './__fixtures__/serialized-message.ts'
import { eventType } from './binlog-event-type.ts'
import { readGtidList, readMariadbGtid, readMysqlGtid, readPreviousGtids } from './gtid-event.ts'
import { printGtidSet } from './gtid-set.ts'
import { printMariadbGtidList } from './mariadb-gtid.ts'

const uuid = '77a0b0c0-d0e0-f0f1-1111-77ff77ff77ff'

describe('GTID events', () => {
  it('reads the bytes of a UUID as MySQL 8.3 stores them', () => {
    const body = taggedGtidBody({ uuid, number: 5n, tag: 'sales', committedAt: 1_739_270_369_410_361n })
    expect(body.includes(Buffer.from('ee8102c10201034103 8103c103c5032222eefd03eefd03eefd03'.replaceAll(' ', ''), 'hex'))).toBe(true)
    expect(body.includes(Buffer.from('7f397d8970db2d06', 'hex'))).toBe(true)
    expect(readMysqlGtid(eventType.GTID_TAGGED, body)).toEqual({ source: `${uuid}:sales`, number: 5n, committedAt: 1_739_270_369_410_361 })
  })

  it('reads whatever a tagged GTID holds', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.bigInt({ min: 1n, max: 2n ** 63n - 2n }),
        fc.stringMatching(/^([a-z_][a-z0-9_]{0,31})?$/),
        fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
        (source, number, tag, committedAt) => {
          const read = readMysqlGtid(eventType.GTID_TAGGED, taggedGtidBody({ uuid: source, number, tag, committedAt }))
          expect(read).toEqual({ source: tag === '' ? source : `${source}:${tag}`, number, committedAt: Number(committedAt) })
        },
      ),
    )
  })

  it('says of a cut or scrambled one that it is none, and nothing else', () => {
    const body = taggedGtidBody({ uuid, number: 5n, tag: 'sales', committedAt: 1n << 50n })
    for (let length = 0; length < body.length - 3; length++)
      expect(readMysqlGtid(eventType.GTID_TAGGED, body.subarray(0, length))).toBeUndefined()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(33, 34, 42), (bytes, type) => {
        readMysqlGtid(type, Buffer.from(bytes))
        readPreviousGtids(Buffer.from(bytes))
        readGtidList(Buffer.from(bytes))
        readMariadbGtid(Buffer.from(bytes), 1)
      }),
    )
  })

  it('reads PREVIOUS_GTIDS with and without tags', () => {
    const source = Buffer.from(uuid.replaceAll('-', ''), 'hex')
    const intervals = (...numbers: bigint[]) => {
      const bytes = Buffer.alloc(8 + 8 * numbers.length)
      bytes.writeBigUInt64LE(BigInt(numbers.length / 2))
      for (const [index, number] of numbers.entries()) bytes.writeBigInt64LE(number, 8 + 8 * index)
      return bytes
    }
    const count = Buffer.alloc(8)
    count[0] = 1
    const plain = readPreviousGtids(Buffer.concat([count, source, intervals(1n, 6n, 8n, 9n)]))
    expect(plain === undefined ? '' : printGtidSet(plain)).toBe(`${uuid}:1-5:8`)
    const tag = Buffer.concat([serializedUnsigned(5n), Buffer.from('sales')])
    // Format 1 in the first and the last byte, the count between.
    const tagged = Buffer.from([1, 2, 0, 0, 0, 0, 0, 1])
    const set = readPreviousGtids(
      Buffer.concat([tagged, source, serializedUnsigned(0n), intervals(1n, 3n), source, tag, intervals(4n, 5n)]),
    )
    expect(set === undefined ? '' : printGtidSet(set)).toBe(`${uuid}:1-2:sales:4`)
    expect(readPreviousGtids(Buffer.alloc(8))).toEqual(new Map())
  })

  it('refuses a PREVIOUS_GTIDS that counts more than it has, without taking memory for it', () => {
    expect(readPreviousGtids(Buffer.alloc(8, 0xfe))).toBeUndefined()
    const many = Buffer.alloc(32)
    many[0] = 1
    many.fill(0xff, 24)
    expect(readPreviousGtids(many)).toBeUndefined()
    expect(readGtidList(Buffer.from('ffffff0f00000000', 'hex'))).toBeUndefined()
  })

  it('takes the last entry of each domain of a GTID_LIST', () => {
    const list = Buffer.alloc(4 + 48)
    list.writeUInt32LE(3)
    for (const [index, [domain, server, sequence]] of [
      [0, 2, 7n],
      [0, 1, 9n],
      [5, 1, 3n],
    ].entries() as Iterable<[number, [number, number, bigint]]>) {
      list.writeUInt32LE(domain, 4 + 16 * index)
      list.writeUInt32LE(server, 8 + 16 * index)
      list.writeBigUInt64LE(sequence, 12 + 16 * index)
    }
    expect(printMariadbGtidList(readGtidList(list) ?? new Map())).toBe('0-1-9,5-1-3')
  })
})
