import { readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { BackupError, type Source, type SourceItem, throwIfAborted } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { isThisMachine } from '../mysql-protection.ts'
import { detectServer, type ServerFacts } from '../mysql-server.ts'
import { sourceFacts } from '../mysql-source.ts'
import { sourceName } from '../source-name.ts'
import { instanceItem } from './physical-layout.ts'

/** A server whose files this process can see. */
export interface PhysicalSource {
  readonly server: ServerFacts
  readonly name: string
  readonly datadir: DatadirFacts
}

export interface DatadirFacts {
  readonly path: string
  /** Told apart from every other, also from one of the same path: where its system tablespace lies, and since when. */
  readonly identity: string
  readonly bytes: number
  /** Parts of the server's data that lie elsewhere: variable → directory. */
  readonly elsewhere: Readonly<Record<string, string>>
}

/** Directories that a server can keep outside its data directory. */
const placeVariables = [
  'innodb_data_home_dir',
  'innodb_log_group_home_dir',
  'innodb_undo_directory',
  'innodb_doublewrite_dir',
  'aria_log_dir_path',
] as const

/**
 * Finds the server and its data directory. Throws `NOT_FOUND` for an item other than the instance, or where the data directory is not on this machine, and `ACCESS_DENIED` where it cannot be
 * read.
 */
export async function readPhysicalSource(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
  items: readonly string[] | undefined,
  signal?: AbortSignal,
): Promise<PhysicalSource> {
  const other = items?.find((item) => item !== instanceItem)
  if (other !== undefined) {
    throw new BackupError(`there is no item ${other} to capture`, {
      code: 'NOT_FOUND',
      hint: `A physical backup has one item, ${instanceItem}. Use mode: logical for single schemas.`,
    })
  }
  refuseOtherMachine(settings, server)
  return { server, name: sourceName(settings, server), datadir: await readDatadir(session, signal) }
}

export function instanceSourceItem({ datadir }: PhysicalSource): SourceItem {
  return { name: instanceItem, bytes: datadir.bytes, detail: `the data directory ${datadir.path}` }
}

/** The server as one item. Changes nothing. */
export async function discoverPhysical(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const source = await readPhysicalSource(session, settings, await detectServer(session), undefined, signal)
  const { server, datadir, name } = source
  const facts = await sourceFacts(session, server)
  return {
    id: server.id,
    name,
    version: server.version,
    items: [instanceSourceItem(source)],
    facts: { ...facts, mode: 'physical', datadir: datadir.path },
  }
}

/** Log sequence number now, a decimal. */
export async function readLsn(session: MysqlSession): Promise<string> {
  const [row] = await session.rows('SHOW ENGINE INNODB STATUS', 'reading the LSN')
  const lsn = /^Log sequence number\s+(\d+)$/m.exec(row?.at(2) ?? '')?.[1]
  if (lsn !== undefined) return lsn
  throw new BackupError('the server does not say which LSN it is at', {
    code: 'UNSUPPORTED',
    hint: 'Use mode: logical; a physical backup needs InnoDB.',
  })
}

/** The directory of the same path on this machine would be copied under the locks of another server. */
function refuseOtherMachine(settings: ResolvedMysqlAgentSettings, server: ServerFacts): void {
  if (settings.socketPath !== undefined || isThisMachine(settings.host) || server.hostname === hostname()) return
  throw new BackupError(`server ${settings.host} runs on ${server.hostname}, and this machine is ${hostname()}`, {
    code: 'UNSUPPORTED',
    hint: 'Run the physical backup on the machine of the server, connected by socketPath or 127.0.0.1; or use mode: logical.',
  })
}

async function readDatadir(session: MysqlSession, signal: AbortSignal | undefined): Promise<DatadirFacts> {
  const variables = new Map<string, string>()
  for (const row of await session.rows('SHOW GLOBAL VARIABLES', 'reading where the data lie'))
    variables.set(row.at(0) ?? '', row.at(1) ?? '')
  const path = resolve(variables.get('datadir') ?? '/')
  const elsewhere: Record<string, string> = {}
  for (const name of placeVariables) {
    const value = variables.get(name) ?? ''
    if (value !== '' && resolve(path, value) !== path) elsewhere[name] = resolve(path, value)
  }
  const systemSpace = (variables.get('innodb_data_file_path') ?? 'ibdata1:').split(':')[0] ?? 'ibdata1'
  const file = resolve(elsewhere.innodb_data_home_dir ?? path, systemSpace)
  const binlogs = variables.get('log_bin_basename') ?? ''
  const isBinlog = (name: string): boolean => binlogs !== '' && name.startsWith(`${basename(binlogs)}.`)
  try {
    const { ino, birthtimeMs } = await stat(file)
    return { path, identity: `${ino}@${Math.round(birthtimeMs)}`, bytes: await bytesBelow(path, isBinlog, signal), elsewhere }
  } catch (error) {
    throw unreadable(error, path)
  }
}

function unreadable(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BackupError(`the data directory ${path} of the server is not on this machine`, {
      code: 'NOT_FOUND',
      hint: 'Run the physical backup on the machine of the server, in its container too; or use mode: logical.',
      cause: error,
    })
  }
  if (code !== 'EACCES' && code !== 'EPERM') return error
  return new BackupError(`the data directory ${path} of the server cannot be read`, {
    code: 'ACCESS_DENIED',
    hint: 'Run the backup as a user that may read it, such as mysql or root.',
    cause: error,
  })
}

/** What has gone while it was looked at counts nothing. Throws where a folder cannot be read. */
async function bytesBelow(directory: string, isLeftOut: (name: string) => boolean, signal: AbortSignal | undefined): Promise<number> {
  throwIfAborted(signal, 'measuring the data directory')
  let bytes = 0
  const entries = await readdir(directory, { withFileTypes: true }).catch(orGone([]))
  for (const entry of entries) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) bytes += await bytesBelow(path, () => false, signal)
    else if (entry.isFile() && !isLeftOut(entry.name)) bytes += await stat(path).then(({ size }) => size, orGone(0))
  }
  return bytes
}

function orGone<Value>(value: Value): (error: unknown) => Value {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return value
    throw error
  }
}
