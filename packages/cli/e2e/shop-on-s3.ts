import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HttpReceiver, startHttpReceiver } from '@backup-planet/tooling/http-receiver'
import { startTcpFaultProxy, type TcpFaultProxy } from '@backup-planet/tooling/tcp-fault-proxy'
import { startThrowawayCephS3, type ThrowawayCephS3 } from '@backup-planet/tooling/throwaway-ceph-s3'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { startThrowawaySmtp, type ThrowawaySmtp } from '@backup-planet/tooling/throwaway-smtp'
import type { ChildResult } from './child-command.ts'
import { inProcessCommand } from './in-process-command.ts'

/** A MariaDB that is backed up to an S3 store behind a network that can be taken away, and who is told of it. */
export interface ShopOnS3 extends AsyncDisposable {
  readonly source: ThrowawayMariadb
  /** Where backups are restored to. */
  readonly target: ThrowawayMariadb
  readonly store: ThrowawayCephS3
  /** On the way to the store. */
  readonly network: TcpFaultProxy
  readonly webhook: HttpReceiver
  readonly mail: ThrowawaySmtp
  readonly directory: string
  /** Where processes of the command have their temporary files. */
  readonly temporary: string
  /** Of processes of the command. */
  readonly environment: Readonly<Record<string, string>>
  backupPlanet(...argv: readonly string[]): Promise<ChildResult>
}

export const bucket = 'backups'

/**
 * @param schedule YAML
 * @param windowStopped for how long what can be restored may stand still; as long as the schedule says when left out
 */
export async function startShopOnS3(schedule: string, windowStopped?: string): Promise<ShopOnS3> {
  await using started = new AsyncDisposableStack()
  const [source, target, store, webhook, mail] = await Promise.all([
    startThrowawayMariadb(),
    startThrowawayMariadb(),
    startThrowawayCephS3({ buckets: [bucket] }),
    startHttpReceiver(),
    startThrowawaySmtp(),
  ])
  for (const server of [source, target, store, webhook, mail]) started.use(server)
  const network = started.use(await startTcpFaultProxy(store))
  const directory = await mkdtemp(join(tmpdir(), 'backup-planet-shop-'))
  started.defer(() => rm(directory, { recursive: true, force: true }))
  const temporary = join(directory, 'temporary')
  await mkdir(temporary)
  const environment = {
    TMPDIR: temporary,
    SOURCE_PASSWORD: source.rootPassword,
    TARGET_PASSWORD: target.rootPassword,
    REPOSITORY_PASSWORD: 'of the shop',
    S3_KEY: store.user.accessKeyId,
    S3_SECRET: store.user.secretAccessKey,
    WEBHOOK_URL: webhook.url,
  }
  const login = (server: ThrowawayMariadb, password: string): string =>
    `{ host: ${server.host}, port: ${server.port}, user: ${server.user}, password: "\${env:${password}}" }`
  const configuration = `repositories:
  offsite:
    kind: restic
    destination: "s3://${bucket}/offsite?endpoint=http://${network.host}:${network.port}&profile=ceph"
    uploader: { settings: { credentials: { accessKeyId: "\${env:S3_KEY}", secretAccessKey: "\${env:S3_SECRET}" } } }
    password: "\${env:REPOSITORY_PASSWORD}"
jobs:
  shop: { agent: mysql, repository: offsite, settings: ${login(source, 'SOURCE_PASSWORD')}, schedule: ${schedule} }
targets:
  scratch: { agent: mysql, settings: ${login(target, 'TARGET_PASSWORD')} }
staging: { directory: ./staging }
notifications:${windowStopped === undefined ? '' : `\n  windowStopped: ${windowStopped}`}
  channels:
    chat: { kind: webhook, url: "\${env:WEBHOOK_URL}", insecure: true }
    mail: { kind: email, host: 127.0.0.1, port: ${mail.port}, security: none, from: backup@example.org, to: ops@example.org }
`
  await writeFile(join(directory, 'backup-planet.yaml'), configuration, { mode: 0o600 })
  const backupPlanet = (...argv: readonly string[]): Promise<ChildResult> => inProcessCommand(argv, environment, directory)
  const { code, stderr } = await backupPlanet('init')
  if (code !== 0) throw new Error(`init ended with ${code}:\n${stderr}`)
  const all = started.move()
  return {
    source,
    target,
    store,
    network,
    webhook,
    mail,
    directory,
    temporary,
    environment,
    backupPlanet,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  }
}
