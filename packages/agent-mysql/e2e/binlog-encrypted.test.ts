import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processOutput } from '@backup-planet/tooling/process-output'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyBinlogs } from '../src/binlog/binlog-copy.ts'
import { streamBinlogs } from '../src/binlog/binlog-stream.ts'
import { binlogOnDisk, collect, positionOf, rawBinlog, scanned } from './binlog-fixture.ts'
import { resolvedSettings } from './capture-fixture.ts'

let server: ThrowawayMariadb
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-encrypted-'))
  const keys = join(directory, 'keys')
  await writeFile(keys, `1;${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  server = await startThrowawayMariadb({
    serverOptions: [
      '--plugin-load-add=file_key_management',
      `--file-key-management-filename=${keys}`,
      '--encrypt-binlog=ON',
      '--binlog-checksum=CRC32',
    ],
  })
  await server.client("CREATE DATABASE d; CREATE TABLE d.t (v TEXT); INSERT INTO d.t VALUES ('plain to read'); FLUSH BINARY LOGS")
})

afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

test('binlogs that the server encrypts are received decrypted, as mariadb-binlog receives them', async () => {
  const binlog = 'binlog.000001'
  const onDisk = await binlogOnDisk(server, binlog)
  expect(onDisk.includes('plain to read')).toBe(false)
  const until = (await positionOf(server)).binlog
  const bytes = (await collect(streamBinlogs(resolvedSettings(server), { binlog, until }))).get(binlog) ?? Buffer.alloc(0)
  expect(bytes.includes('plain to read')).toBe(true)
  expect(bytes.equals(await rawBinlog(server, directory, binlog))).toBe(true)
  const facts = scanned(binlog, bytes)
  expect(facts).toMatchObject({ from: 0, to: onDisk.length, bytes: onDisk.length, ends: 'rotate', next: until, gtidBefore: '' })
  expect(facts.events).toMatchObject({ START_ENCRYPTION: 1 })
  const printed = await processOutput('mariadb-binlog', ['--no-defaults', '--verify-binlog-checksum', '-'], { input: bytes })
  expect(printed.toString()).toContain('plain to read')
})

test('their files are refused', async () => {
  const { binlog: until } = await positionOf(server)
  expect(() => scanned('binlog.000001', Buffer.from('fd62696e', 'hex'))).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }))
  await expect(collect(copyBinlogs({ directory: join(server.directory, 'data'), binlog: 'binlog.000001', until }))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringContaining('through the connection'),
  })
})
