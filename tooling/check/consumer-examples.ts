import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { startHttpReceiver } from '../servers/http-receiver.ts'
import { startThrowawayCephS3 } from '../servers/throwaway-ceph-s3.ts'
import { makeCertificate } from '../servers/throwaway-certificate.ts'
import { startThrowawayMariadb } from '../servers/throwaway-mariadb.ts'
import { testNodePath } from '../setup/own-node.mjs'
import { CheckFailure } from './check-block.ts'
import type { CompiledExample } from './consumer-project.ts'
import { runTool } from './run-tool.ts'

/** What an example must say when it has done what its README promises; programs that are not named here fail the check. */
const expectations: Readonly<Record<string, RegExp>> = {
  'readme-root-1.js': /^complete: .*\bshop\b/m,
  'readme-core-1.js': /^$/,
  'readme-core-2.js': /^done .*shop as shop_restored/m,
  'readme-core-3.js': /^$/,
  'readme-core-4.js': /^moment \S+ \S+\n(?:.*\n)*\S+ from near$/,
  'readme-core-5.js': /^keep \S+ .*daily \d{4}-\d\d-\d\d; weekly \S+; the last that can be restored$/m,
  'readme-agent-mysql-1.js': /^shop \S*customer\S* \d+ [0-9a-f]{64}$/m,
  'readme-notifications-1.js': /^webhook 127\.0\.0\.1:\d+$/,
  'readme-repository-archive-1.js': /^\S+ full complete$/m,
  'readme-repository-restic-1.js': /^created: 0 backups/,
  'readme-uploader-s3-1.js': /^greeting 5$/,
  'readme-uploader-sftp-1.js': /^sftp:\/\/backup@backup\.example\.org\/.*backups$/,
}

/** Runs every example of the READMEs, in the order of their packages, against one throwaway server and one folder of backups. */
export async function runExamples(directory: string, examples: readonly CompiledExample[]): Promise<void> {
  await using server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY, name TEXT); INSERT INTO shop.customer VALUES (1, 'Ada');
    CREATE USER backup@'%' IDENTIFIED BY '${server.rootPassword}';
    GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR ON *.* TO backup@'%'`)
  await using store = await startThrowawayCephS3({ buckets: ['backups'] })
  const certificate = await makeCertificate(directory, 'chat')
  await using chat = await startHttpReceiver(certificate)
  const backups = join(directory, 'backups')
  const staging = join(directory, 'staging of the example')
  await mkdir(staging, { mode: 0o700 })
  const places: readonly (readonly [string, string])[] = [
    ["host: '127.0.0.1', user: 'backup'", `host: '127.0.0.1', port: ${server.port}, user: 'backup'`],
    ["'/var/tmp/backup-planet'", JSON.stringify(staging)],
    ["'/srv/backups'", JSON.stringify(backups)],
    ["'/srv/restic'", JSON.stringify(join(directory, 'restic'))],
    ["'https://s3.example.com'", JSON.stringify(store.endpoint)],
    ["'/var/lib/backup-planet/uploads'", JSON.stringify(join(directory, 'uploads'))],
    ["'https://hooks.slack.com/services/…'", JSON.stringify(`${chat.url}/services/token`)],
    ["'/var/lib/my-product/notifications/state.json'", JSON.stringify(join(directory, 'notifications', 'state.json'))],
    ["'age1…'", JSON.stringify(await identityToRecipient(await generateX25519Identity()))],
  ]
  const environment = {
    MYSQL_PORT: String(server.port),
    MYSQL_USER: server.user,
    MYSQL_PASSWORD: server.rootPassword,
    BACKUPS: backups,
    NODE_EXTRA_CA_CERTS: certificate.authorityFile,
    AWS_ACCESS_KEY_ID: store.user.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.user.secretAccessKey,
  }
  for (const { file } of examples) {
    const name = file.slice(join(directory, 'compiled').length + 1)
    const expected = expectations[name]
    if (expected === undefined) throw new CheckFailure(`nothing says what ${name} must print; add it to consumer-examples.ts`)
    // What a user would change too: where the server listens and where things lie.
    const text = places.reduce((program, [shown, here]) => program.replaceAll(shown, here), await readFile(file, 'utf8'))
    await writeFile(file, text)
    const output = await runTool(testNodePath, [file], { directory, environment })
    if (!expected.test(output.trim())) throw new CheckFailure(`${name} prints this, not ${expected}:\n${output}`)
  }
  const told = chat.requests.map(({ body }) => (JSON.parse(body) as { readonly text: string }).text)
  if (told.join() !== 'shop: log backup failed (UNREACHABLE)') throw new CheckFailure(`the example of notifications told "${told.join()}"`)
  const restored = (await server.client('SELECT name FROM shop_restored.customer')).trim()
  if (restored !== 'Ada') throw new CheckFailure(`the example of core restored "${restored}" in place of "Ada"`)
  const missing = Object.keys(expectations).filter((name) => !examples.some(({ file }) => file.endsWith(name)))
  if (missing.length > 0) throw new CheckFailure(`no README shows ${missing.join(', ')} any more; take it out of consumer-examples.ts`)
}
