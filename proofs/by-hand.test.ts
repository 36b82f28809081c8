import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createDirectoryStaging, createDirectoryUploader, encodeSegment } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from './evidence.ts'
import { bankSql } from './money-writers.ts'

const run = promisify(execFile)
/** A name that is another one as a folder and in file names. (One with an apostrophe mariadb-dump itself cannot dump.) */
const oddSchema = 'my shöp.1'

const oddSql = `SET NAMES utf8mb4; CREATE DATABASE \`${oddSchema}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE \`${oddSchema}\`;
CREATE SEQUENCE numbers START WITH 1000 INCREMENT BY 5; DO NEXTVAL(numbers);
CREATE TABLE \`a b.c\` (id INT PRIMARY KEY, name VARCHAR(40), parent INT, flag BIT(3), place POINT, doc JSON, at TIMESTAMP(3) NULL, raw VARBINARY(20),
  twice INT AS (id * 2) STORED, KEY by_name (name), CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES \`a b.c\` (id)) ENGINE=InnoDB;
CREATE TABLE \`-schema\` (id INT) ENGINE=MyISAM;
CREATE TABLE \`léer\` (id INT) ENGINE=InnoDB;
INSERT INTO \`a b.c\` (id, name, parent, flag, place, doc, at, raw) SELECT seq, ELT(seq % 3 + 1, 'Ünal 😀', 'tab\\there', NULL), NULLIF(seq - 1, 0), b'101',
  ST_GeomFromText('POINT(1 2)'), '{"a": 1}', '2024-02-29 12:00:00.123', X'00FF0A5C' FROM seq_1_to_2000;
INSERT INTO \`-schema\` SELECT seq FROM seq_1_to_3;
DELIMITER ;;
CREATE FUNCTION double_it(n INT) RETURNS INT DETERMINISTIC RETURN n * 2;;
CREATE PROCEDURE \`odd ; name\`() BEGIN SELECT ';' AS \`ü\`; END;;
CREATE TRIGGER on_insert BEFORE INSERT ON \`-schema\` FOR EACH ROW BEGIN SET NEW.id = double_it(NEW.id); END;;
CREATE EVENT sleeping ON SCHEDULE EVERY 1 DAY STARTS '2031-01-01 03:00:00' DISABLE DO DELETE FROM \`léer\`;;
DELIMITER ;
CREATE VIEW z_view AS SELECT id, double_it(id) AS twice FROM \`-schema\`;
CREATE USER 'app'@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON \`my shöp.1\`.* TO 'app'@'%';`

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let folder: string

beforeAll(async () => {
  source = await startThrowawayMariadb()
  target = await startThrowawayMariadb({ serverOptions: ['--local-infile=1'] })
  await source.client([], { input: bankSql })
  await source.client([], { input: oddSql })
  folder = await mkdtemp(path.join(tmpdir(), 'by-hand-'))
})

afterAll(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  await target?.stop()
  await source?.stop()
})

it('brings a stored backup back with nothing but the commands of its RESTORE.md', { timeout: 300_000 }, async () => {
  const keyFile = path.join(folder, 'key.txt')
  await run('age-keygen', ['-o', keyFile])
  const recipient = (await run('age-keygen', ['-y', keyFile])).stdout.trim()
  const stored = path.join(folder, 'repository')
  await mkdir(stored)
  await using agent = createMysqlAgent({
    host: source.host,
    port: source.port,
    user: source.user,
    password: source.rootPassword,
    threads: 2,
    chunkBytes: 64 * 1024,
  })
  await using repository = createArchiveRepository({
    uploader: createDirectoryUploader({ directory: stored }),
    encryption: { recipients: [recipient] },
    volumeBytes: 256 * 1024,
  })
  const staging = createDirectoryStaging({ directory: path.join(folder, 'staging') })
  const { backup } = await backUp({ agent, repository, staging, request: { job: 'by-hand', kind: 'full' } })
  expect(backup.status).toBe('complete')

  const place = await folderOfGuide(stored)
  const guide = await readFile(path.join(place, 'RESTORE.md'), 'utf8')
  const [check = '', unpack = '', ofSchema = ''] = codeBlocks(guide)
  const volumes = unpack.match(/bank[^\n]*\.tar\.zst\.age/g) ?? []
  expect(volumes.length, 'the larger schema fills several volumes').toBeGreaterThan(2)
  // The option file that the guide asks for, where the client looks for it.
  await writeFile(
    path.join(folder, '.my.cnf'),
    `[client]\nhost=${target.host}\nport=${target.port}\nuser=${target.user}\npassword=${target.rootPassword}\nprotocol=tcp\n`,
    { mode: 0o600 },
  )
  const environment = { HOME: folder, PATH: process.env.PATH ?? '', AGE_KEY: keyFile }
  await bash(check, place, environment)
  await bash(unpack, place, environment)
  for (const schema of ['bank', oddSchema]) {
    const commands = ofSchema.replace(/^schema=.*$/m, `schema=${quoted(schema)}`)
    expect(ofSchema, 'the guide names the schema once, and that line is what a reader changes').toMatch(/^schema=/m)
    await bash(commands, path.join(place, 'restored', encodeSegment(schema)), environment)
  }
  const accounts = /`((?:mariadb|mysql) [^`]*< users\.sql)`/.exec(guide)?.[1] ?? ''
  await bash(accounts, path.join(place, 'restored', 'mysql'), environment)

  for (const schema of ['bank', oddSchema]) {
    const [before, after] = [await schemaText(source, schema), await schemaText(target, schema)]
    expect(before.length).toBeGreaterThan(1000)
    expect(after).toBe(before)
  }
  const grants = "SHOW GRANTS FOR 'app'@'%'"
  expect(await target.client(grants)).toBe(await source.client(grants))
  await recordEvidence(import.meta.url, { 'schemas restored by hand': 2, 'volumes of the larger one': volumes.length })
})

/** Where the one backup lies. */
async function folderOfGuide(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const guides = entries.filter((entry) => entry.name === 'RESTORE.md')
  expect(guides).toHaveLength(1)
  return guides[0]?.parentPath ?? ''
}

function codeBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/```(?:ba)?sh\n([\s\S]*?)\n```/g)].map((match) => match[1] ?? '')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

async function bash(commands: string, directory: string, environment: Readonly<Record<string, string>>): Promise<void> {
  expect(commands).not.toBe('')
  const shell = spawn('bash', [], { cwd: directory, env: environment, stdio: ['pipe', 'pipe', 'pipe'] })
  const said: Buffer[] = []
  shell.stdout.on('data', (data: Buffer) => said.push(data))
  shell.stderr.on('data', (data: Buffer) => said.push(data))
  shell.stdin.end(`${commands}\n`)
  const [code] = await once(shell, 'close')
  expect(code, `${commands}\n${Buffer.concat(said)}`).toBe(0)
}

/** Everything of a schema as the server's own dump tool prints it, rows in order of their text. */
async function schemaText(server: ThrowawayMariadb, schema: string): Promise<string> {
  const common = ['--skip-dump-date', '--skip-comments', '--hex-blob', '--default-character-set=utf8mb4', '--tz-utc']
  const definitions = await server.dump([...common, '--no-data', '--routines', '--events', '--triggers', '--databases', schema])
  const rows = await server.dump([...common, '--no-create-info', '--skip-triggers', '--skip-extended-insert', '--databases', schema])
  const sorted = rows
    .toString('latin1')
    .split('\n')
    .filter((line) => /^(INSERT|DO SETVAL)/.test(line))
    .sort()
  return `${definitions.toString('latin1')}\n${sorted.join('\n')}`
}
