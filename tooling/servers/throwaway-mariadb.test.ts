import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { isRunning } from './is-running.ts'
import { startThrowawayMariadb } from './throwaway-mariadb.ts'

const starter = join(import.meta.dirname, 'throwaway-mariadb.ts')

describe('a throwaway MariaDB', () => {
  it('is private, has row-based logs, and leaves nothing', async () => {
    const server = await startThrowawayMariadb({ serverOptions: ['--max-connections=17'] })
    try {
      expect((await stat(server.directory)).mode & 0o777).toBe(0o700)
      const [format, log, infile, connections] = (
        await server.client('SELECT @@binlog_format, @@log_bin, @@local_infile, @@max_connections')
      )
        .trim()
        .split('\t')
      expect([format, log, infile, connections]).toEqual(['ROW', '1', '1', '17'])
      await expect(server.client('SELECT 1', { environment: {} })).resolves.toBe('1\n')
      await expect(server.client(['--password=wrong', '-e', 'SELECT 1'])).rejects.toThrow(/Access denied/)
      await expect(access(join(server.directory, 'init.sql'))).rejects.toThrow()
    } finally {
      await server.stop()
    }
    await expect(access(server.directory)).rejects.toThrow()
    expect(() => server.pid).toThrow(/does not run/)
  })

  it('keeps committed rows over a crash, and dumps them byte for byte', async () => {
    await using server = await startThrowawayMariadb()
    const before = server.pid
    await server.client("CREATE DATABASE d; CREATE TABLE d.t (a VARBINARY(8)) ENGINE=InnoDB; INSERT INTO d.t VALUES (x'00ff27')")
    await server.kill()
    await expect(server.client('SELECT 1')).rejects.toThrow()
    await server.restart()
    expect(server.pid).not.toBe(before)
    expect(await server.client('SELECT HEX(a) FROM d.t')).toBe('00FF27\n')
    expect((await server.dump(['--hex-blob', 'd'])).toString()).toContain('0x00FF27')
    await server.client([], { input: 'CREATE DATABASE e;' })
    expect(await server.client("SHOW DATABASES LIKE 'e'")).toBe('e\n')
  })

  it('starts several at once on ports of their own', async () => {
    const servers = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb(), startThrowawayMariadb()])
    try {
      expect(new Set(servers.map((server) => server.port)).size).toBe(3)
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  })

  it('keeps a directory that was given, and works where its path is too long for a socket', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'bp-test-'))
    const directory = join(parent, 'x'.repeat(90))
    try {
      const first = await startThrowawayMariadb({ directory })
      await first.client('CREATE DATABASE kept')
      await first.stop()
      const second = await startThrowawayMariadb({ directory })
      expect(await second.client("SHOW DATABASES LIKE 'kept'")).toBe('kept\n')
      await second.stop()
    } finally {
      await rm(parent, { recursive: true, force: true })
    }
  })

  it('says what the server says when it cannot start', async () => {
    await expect(startThrowawayMariadb({ serverOptions: ['--no-such-option'] })).rejects.toThrow(/no-such-option/)
  })

  it('dies with the process that started it', async () => {
    const child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { startThrowawayMariadb } = await import(process.argv[1]); const server = await startThrowawayMariadb();
         console.log(JSON.stringify({ pid: server.pid, directory: server.directory })); setInterval(() => {}, 1000)`,
        starter,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const started = JSON.parse(line.toString()) as { pid: number; directory: string }
    expect(isRunning(started.pid)).toBe(true)
    child.kill('SIGKILL')
    const deadline = Date.now() + 10_000
    while ((isRunning(started.pid) || (await exists(started.directory))) && Date.now() < deadline) await delay(50)
    expect(isRunning(started.pid)).toBe(false)
    expect(await exists(started.directory)).toBe(false)
  })
})

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
