import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BinlogBuilder } from '../binlog/__fixtures__/binlog-builder.ts'
import { isClosedInOrder } from './closed-binlog.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-closed-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function isClosed(bytes: Uint8Array): Promise<boolean> {
  const path = join(directory, 'b.000001')
  await writeFile(path, bytes)
  return await isClosedInOrder(path, 'b.000002')
}

it.each([true, false])('knows a binlog that its server ended, with checksums: %j', async (checksums) => {
  const builder = () => new BinlogBuilder({ checksums }).query('BEGIN').xid()
  expect(await isClosed(builder().rotate('b.000002').bytes())).toBe(true)
  expect(await isClosed(builder().stop().bytes())).toBe(true)
  expect(await isClosed(builder().bytes())).toBe(false)
  expect(await isClosed(builder().rotate('b.0000003').bytes())).toBe(false)
  expect(await isClosed(builder().rotate('b.000002').bytes().subarray(0, -1))).toBe(false)
  expect(await isClosed(builder().bytes().subarray(0, 5))).toBe(false)
  expect(await isClosed(Buffer.alloc(0))).toBe(false)
})
