import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { QuickstartFolder } from './quickstart-folder.ts'

export interface QuickstartResult {
  readonly folder: QuickstartFolder
  readonly rows: number
  readonly seconds: number
  readonly backedUp: number
  readonly restored: number
  readonly stored: number
  /** Makes a path as it can be typed where the reader stands. */
  readonly shown: (path: string) => string
}

/** What happened, where things lie, how to read them without us, and what to try next. */
export async function closingSummary(result: QuickstartResult): Promise<string> {
  const { folder, shown } = result
  const backup = await newestBackup(folder)
  const configuration = shown(folder.configuration)
  const stored = `${(result.stored / 2 ** 20).toFixed(1)} MiB`
  return `
It came back whole: ${result.rows.toLocaleString('en')} rows. Backup ${result.backedUp.toFixed(1)} s, restore ${result.restored.toFixed(1)} s, everything ${result.seconds.toFixed(0)} s.

Where it lies
  ${shown(backup)}   (${stored}, encrypted)
  ${shown(folder.key)}   (the key that reads it)

To read it without us
  mkdir -p /tmp/shop
  age -d -i ${quoted(shown(folder.key))} ${quoted(shown(join(backup, 'shop.tar.zst.age')))} | zstd -d | tar -x -C /tmp/shop
  and on with RESTORE.md beside it, which needs the mariadb client and zstd.

To try next
  npm run backup-planet -- list shop --config ${quoted(configuration)}
  npm run backup-planet -- init --agent mysql --config ~/backup-planet/backup-planet.yaml   (a commented configuration for a server of yours)
  npm test
`
}

async function newestBackup(folder: QuickstartFolder): Promise<string> {
  const job = join(folder.offsite, 'shop')
  const newest = (await readdir(job)).sort().at(-1)
  if (newest === undefined) throw new Error(`there is no backup in ${job}`)
  return join(job, newest)
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
