import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ThrowawayMariadb } from '../servers/throwaway-mariadb.ts'

/** The folder that the quickstart leaves: a configuration, passwords, and the encrypted backups. */
export interface QuickstartFolder {
  readonly path: string
  readonly configuration: string
  /** Of the repository. */
  readonly passwordFile: string
  /** The repository. */
  readonly offsite: string
}

/** A folder that somebody else's files are in; nothing was touched. */
export class ForeignFolder extends Error {
  override readonly name = 'ForeignFolder'
}

/** Makes the folder anew. Throws `ForeignFolder` when what is there was not made by an earlier quickstart. */
export async function createQuickstartFolder(path: string): Promise<QuickstartFolder> {
  const folder = {
    path,
    configuration: join(path, 'backup-planet.yaml'),
    passwordFile: join(path, 'repository-password'),
    offsite: join(path, 'offsite'),
  }
  const found = await readdir(path).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (found.length > 0 && !found.includes(marker)) {
    throw new ForeignFolder(`${path} holds files that no quickstart made; name a folder that does not exist yet.`)
  }
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
  await writeSecret(join(path, marker), 'This folder was made by `npm run quickstart` and is replaced by the next one.\n')
  return folder
}

const marker = 'made-by-quickstart.txt'

/** Writes the configuration that an operator would write, with secrets in files of their own. */
export async function writeConfiguration(folder: QuickstartFolder, shop: ThrowawayMariadb, scratch: ThrowawayMariadb): Promise<void> {
  await writeSecret(folder.passwordFile, `${randomBytes(32).toString('base64url')}\n`)
  await writeSecret(join(folder.path, 'shop-password'), shop.rootPassword)
  await writeSecret(join(folder.path, 'scratch-password'), scratch.rootPassword)
  await writeSecret(folder.configuration, configurationText(folder, shop, scratch))
}

function configurationText(folder: QuickstartFolder, shop: ThrowawayMariadb, scratch: ThrowawayMariadb): string {
  const secret = (name: string) => JSON.stringify(`\${file:${join(folder.path, name)}}`)
  return `repositories:
  offsite:
    kind: restic
    destination: ${JSON.stringify(pathToFileURL(folder.offsite).href)}
    password: ${secret('repository-password')}
    cacheDirectory: ${JSON.stringify(join(folder.path, 'cache'))}
jobs:
  shop:
    agent: mysql
    settings:
      host: 127.0.0.1
      port: ${shop.port}
      user: root
      password: ${secret('shop-password')}
      verify: checksum
      compressionLevel: 0      # the repository compresses, after it has found what it has already
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
