import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { streamBinlogs } from '../src/binlog/binlog-stream.ts'
import { ToolDirectory } from '../src/programs/tool-directory.ts'
import { clientOptions } from '../src/restore/log-replay-pipe.ts'
import { binlogOnDisk, collect } from './binlog-fixture.ts'
import { agentFor, dump, resolvedSettings } from './capture-fixture.ts'

let server: ThrowawayMariadb
let directory: string
let authority: string
let otherAuthority: string

const run = promisify(execFile)

const file = (name: string, suffix: string) => join(directory, `${name}-${suffix}`)

/** An authority of its own, and a certificate of it. Needs openssl. */
async function certify(name: string): Promise<string> {
  const output = ['-keyout', file(name, 'ca-key.pem'), '-out', file(name, 'ca.pem')]
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name} authority`, ...output])
  await sign(name, 'IP:127.0.0.1')
  return await readFile(file(name, 'ca.pem'), 'utf8')
}

async function sign(name: string, alternativeName: string): Promise<void> {
  const request = ['-keyout', file(name, 'key.pem'), '-out', file(name, 'request.pem')]
  await run('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=server', ...request])
  await writeFile(file(name, 'extensions'), `subjectAltName=${alternativeName}\n`)
  const authorityFiles = ['-CA', file(name, 'ca.pem'), '-CAkey', file(name, 'ca-key.pem'), '-CAcreateserial']
  const output = ['-days', '2', '-extfile', file(name, 'extensions'), '-out', file(name, 'cert.pem')]
  await run('openssl', ['x509', '-req', '-in', file(name, 'request.pem'), ...authorityFiles, ...output])
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-tls-'))
  authority = await certify('right')
  otherAuthority = await certify('wrong')
  server = await startThrowawayMariadb({
    serverOptions: [
      `--ssl-ca=${join(directory, 'right-ca.pem')}`,
      `--ssl-cert=${join(directory, 'right-cert.pem')}`,
      `--ssl-key=${join(directory, 'right-key.pem')}`,
    ],
  })
  await server.client(`CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY); INSERT INTO d.t VALUES (1);
    CREATE USER secure@'127.0.0.1' IDENTIFIED BY 'p' REQUIRE SSL; GRANT ALL ON *.* TO secure@'127.0.0.1';`)
})
afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

const secure = { user: 'secure', password: 'p', users: false, threads: 3 }

test('with the authority that signed the certificate, everything goes through TLS, the reading threads too', async () => {
  let ciphers: string[] = []
  await using dumped = await dump(agentFor(server, { ...secure, ssl: { ca: authority } }), {
    items: ['d'],
    during: async () => {
      const list = await server.client("SELECT user FROM information_schema.processlist WHERE user = 'secure'")
      ciphers = list.split('\n').filter((line) => line !== '')
    },
  })
  // The account is refused without TLS, so every session of it has it.
  expect(ciphers.length).toBeGreaterThanOrEqual(3)
  expect(dumped.stage.sealed.map((facts) => facts.item)).toEqual(['d'])
})

test.each([
  ['another authority', () => ({ ca: otherAuthority })],
  ['the authorities of the system', () => ({})],
])('a certificate is refused with %s', async (_, ssl) => {
  const error: unknown = await dump(agentFor(server, { ...secure, ssl: ssl() }), { items: ['d'] }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ name: 'BackupError', hint: expect.stringMatching(/\.$/) })
  expect(String((error as Error).message)).toMatch(/certificate/)
  expect(JSON.stringify(error)).not.toContain('BEGIN CERTIFICATE')
})

test('a certificate for another host is refused, unless that is allowed', async () => {
  const named = { ...secure, host: 'localhost' }
  await expect(dump(agentFor(server, { ...named, ssl: { ca: authority } }), { items: ['d'] })).rejects.toThrow(/certificate|altnames/i)
  await server.client("CREATE USER secure@'localhost' IDENTIFIED BY 'p' REQUIRE SSL; GRANT ALL ON *.* TO secure@'localhost'")
  await using dumped = await dump(agentFor(server, { ...named, ssl: { ca: authority, verifyIdentity: false } }), { items: ['d'] })
  expect(dumped.stage.sealed.map((facts) => facts.item)).toEqual(['d'])
})

test('a certificate for localhost is refused where the address is what was asked for', async () => {
  await sign('right', 'DNS:localhost')
  await server.client('FLUSH SSL')
  try {
    await expect(dump(agentFor(server, { ...secure, ssl: { ca: authority } }), { items: ['d'] })).rejects.toThrow(
      /127\.0\.0\.1.*is not in the cert/,
    )
  } finally {
    await sign('right', 'IP:127.0.0.1')
    await server.client('FLUSH SSL')
  }
  await using dumped = await dump(agentFor(server, { ...secure, ssl: { ca: authority } }), { items: ['d'] })
  expect(dumped.stage.failed).toEqual(new Map())
})

test('without ssl an account that requires it is refused', async () => {
  await expect(dump(agentFor(server, secure), { items: ['d'] })).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
})

test('binlogs go through TLS as they are', async () => {
  await server.client('FLUSH BINARY LOGS')
  const settings = resolvedSettings(server, { ...secure, ssl: { ca: authority } })
  const received = await collect(streamBinlogs(settings, { binlog: 'binlog.000001', until: 'binlog.000002' }))
  expect(received.get('binlog.000001')?.equals(await binlogOnDisk(server, 'binlog.000001'))).toBe(true)
  const plain = { ...settings, ssl: undefined }
  await expect(collect(streamBinlogs(plain, { binlog: 'binlog.000001' }))).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
})

test('the client of the server that replays logs connects as the agent does, and its password is in no argument', async () => {
  const password = `a"b\\c#d'e f=;ü`
  await server.client(`CREATE USER odd@'127.0.0.1' IDENTIFIED BY '${password.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}' REQUIRE SSL`)
  const ask = async (more: Parameters<typeof resolvedSettings>[1]) => {
    await using folder = await ToolDirectory.create()
    const options = await clientOptions(folder, resolvedSettings(server, more), 'mariadb')
    expect(options.argument).not.toContain('a"b')
    expect((await stat(options.path)).mode & 0o777).toBe(0o600)
    return (await run('mariadb', [options.argument, '-N', '-e', "SHOW STATUS LIKE 'Ssl_cipher'; SELECT CURRENT_USER()"])).stdout
  }
  const trusted = await ask({ user: 'odd', password, ssl: { ca: authority } })
  expect(trusted).toMatch(/Ssl_cipher\t\S+\nodd@127\.0\.0\.1/)
  await expect(ask({ user: 'odd', password, ssl: { ca: otherAuthority } })).rejects.toThrow(/certificate/i)
  await expect(ask({ user: 'odd', password })).rejects.toThrow(/Access denied/)
  expect(await ask({ socketPath: server.socketPath, host: 'ignored' })).toMatch(/Ssl_cipher\t\nroot@localhost/)
})
