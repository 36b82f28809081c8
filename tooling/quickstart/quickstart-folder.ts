import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import type { ThrowawayMariadb } from '../servers/throwaway-mariadb.ts'

/** The folder that the quickstart leaves: a configuration, keys, and the encrypted backups. */
export interface QuickstartFolder {
  readonly path: string
  readonly configuration: string
  readonly key: string
  readonly offsite: string
}

/** Makes the folder anew. */
export async function createQuickstartFolder(path: string): Promise<QuickstartFolder> {
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
  return { path, configuration: join(path, 'backup-planet.yaml'), key: join(path, 'key.txt'), offsite: join(path, 'offsite') }
}

/** Writes the configuration that an operator would write, with secrets in files of their own. */
export async function writeConfiguration(folder: QuickstartFolder, shop: ThrowawayMariadb, scratch: ThrowawayMariadb): Promise<void> {
  const identity = await generateX25519Identity()
  const recipient = await identityToRecipient(identity)
  await writeSecret(folder.key, `${identity}\n`)
  await writeSecret(join(folder.path, 'shop-password'), shop.rootPassword)
  await writeSecret(join(folder.path, 'scratch-password'), scratch.rootPassword)
  await writeSecret(folder.configuration, configurationText(folder, recipient, shop, scratch))
}

function configurationText(folder: QuickstartFolder, recipient: string, shop: ThrowawayMariadb, scratch: ThrowawayMariadb): string {
  const secret = (name: string) => JSON.stringify(`\${file:${join(folder.path, name)}}`)
  return `repositories:
  offsite:
    kind: archive
    destination: ${JSON.stringify(pathToFileURL(folder.offsite).href)}
    encryption:
      recipients: ["${recipient}"]
    identities: [${secret('key.txt')}]      # only needed to read; a server that only backs up does without
jobs:
  shop:
    agent: mysql
    settings: { host: 127.0.0.1, port: ${shop.port}, user: root, password: ${secret('shop-password')}, verify: checksum }
    repository: offsite
targets:
  scratch:
    agent: mysql
    settings: { host: 127.0.0.1, port: ${scratch.port}, user: root, password: ${secret('scratch-password')} }
staging:
  directory: ${JSON.stringify(join(folder.path, 'staging'))}
`
}

async function writeSecret(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 })
}
