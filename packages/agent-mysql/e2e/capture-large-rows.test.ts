import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentFor, dump, restoreByHand } from './capture-fixture.ts'

let server: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  const serverOptions = ['--max-allowed-packet=96M', '--innodb-log-file-size=1G', '--innodb-buffer-pool-size=256M']
  ;[server, target] = await Promise.all([startThrowawayMariadb({ serverOptions }), startThrowawayMariadb({ serverOptions })])
})
afterAll(async () => {
  await Promise.all([server?.stop(), target?.stop()])
})

const mebibyte = 1_048_576

test('rows around the limits of the protocol, and one near max_allowed_packet, come back by hand', async () => {
  // 16 MiB - 1 is the largest packet: a row of that size is followed by an empty one. Half of the bytes of the largest are escaped.
  await server.client(`CREATE DATABASE wide; USE wide; CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB);
    INSERT INTO t SELECT seq, REPEAT('x', ${16 * mebibyte} - 12 + seq) FROM seq_1_to_12;
    INSERT INTO t VALUES (100, REPEAT('\\0y', ${20 * mebibyte})), (101, REPEAT('z', ${95 * mebibyte})), (102, ''), (103, NULL);`)
  await using dumped = await dump(agentFor(server, { users: false, chunkBytes: mebibyte, threads: 2 }), { items: ['wide'] })
  expect(dumped.stage.failed).toEqual(new Map())
  await restoreByHand(dumped, 'wide', target)
  const sql = 'SELECT id, LENGTH(b), SHA1(b) FROM wide.t ORDER BY id'
  expect(await target.client(sql)).toBe(await server.client(sql))
})
