import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { processOutput } from '@backup-planet/tooling/process-output'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { type BinlogFacts, BinlogScan } from '../src/binlog/binlog-scan.ts'
import type { BinlogPiece } from '../src/binlog/binlog-stream.ts'
import { until } from './capture-fixture.ts'

/** What the pieces come to: binlog → its bytes. */
export async function collect(pieces: AsyncIterable<BinlogPiece>): Promise<ReadonlyMap<string, Buffer>> {
  const parts = new Map<string, Buffer[]>()
  for await (const { binlog, bytes } of pieces) {
    const list = parts.get(binlog)
    if (list === undefined) parts.set(binlog, [Buffer.from(bytes)])
    else list.push(Buffer.from(bytes))
  }
  return new Map([...parts].map(([binlog, list]) => [binlog, Buffer.concat(list)]))
}

export function binlogOnDisk(server: ThrowawayMariadb, binlog: string): Promise<Buffer> {
  return readFile(join(server.directory, 'data', binlog))
}

/** As `mariadb-binlog --raw` reads it from the server. */
export async function rawBinlog(server: ThrowawayMariadb, directory: string, binlog: string): Promise<Buffer> {
  const connection = ['--no-defaults', '--protocol=tcp', `--host=${server.host}`, `--port=${server.port}`, `--user=${server.user}`]
  const options = ['--read-from-remote-server', '--raw', `--result-file=${directory}/`, binlog]
  await processOutput('mariadb-binlog', [...connection, ...options], { environment: { MYSQL_PWD: server.rootPassword } })
  return await readFile(join(directory, binlog))
}

/** Names in the order of the server. */
export async function binlogsOf(server: ThrowawayMariadb): Promise<readonly string[]> {
  const lines = (await server.client('SHOW BINARY LOGS')).trim().split('\n')
  return lines.map((line) => line.split('\t')[0] ?? '')
}

export async function positionOf(server: ThrowawayMariadb): Promise<{ readonly binlog: string; readonly position: number }> {
  const [binlog = '', position = ''] = (await server.client('SHOW MASTER STATUS')).split('\t')
  return { binlog, position: Number(position) }
}

export async function dumpThreads(server: ThrowawayMariadb): Promise<readonly string[]> {
  const sql = "SELECT state FROM information_schema.processlist WHERE command = 'Binlog Dump'"
  return (await server.client(sql)).split('\n').filter((line) => line !== '')
}

/** Killing a thread only asks it to end. */
export async function noDumpThread(server: ThrowawayMariadb): Promise<void> {
  await until('the end of the dump thread', async () => ((await dumpThreads(server)).length === 0 ? true : undefined))
}

export function scanned(binlog: string, bytes: Uint8Array): BinlogFacts {
  const scan = new BinlogScan({ name: binlog })
  scan.push(bytes)
  return scan.end()
}
