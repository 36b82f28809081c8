import type { QuickstartFolder } from './quickstart-folder.ts'

export interface QuickstartResult {
  readonly folder: QuickstartFolder
  readonly rows: number
  readonly seconds: number
  readonly backedUp: number
  readonly restored: number
  /** The moment that was restored to, ISO 8601 in UTC. */
  readonly restoredTo: string
  /** Bytes of the repository with all backups. */
  readonly stored: number
  /** Bytes that both full backups and the first log backup added to it. */
  readonly sent: { readonly first: number; readonly second: number; readonly log: number }
  /** What restic says of it; `undefined` where there is no restic. */
  readonly snapshots: string | undefined
  /** Makes a path as it can be typed where the reader stands. */
  readonly shown: (path: string) => string
}

/** What happened, where things lie, how to read them without us, and what to try next. */
export function closingSummary(result: QuickstartResult): string {
  const { folder, shown, sent, snapshots } = result
  const configuration = quoted(shown(folder.configuration))
  const restic = `restic -r ${quoted(shown(folder.offsite))} --password-file ${quoted(shown(folder.passwordFile))}`
  return `
It came back whole, as it was before ${result.restoredTo}: ${count(result.rows)} rows. Backup ${result.backedUp.toFixed(1)} s, restore ${result.restored.toFixed(1)} s, everything ${result.seconds.toFixed(0)} s.
The first full backup sent ${count(sent.first)} bytes; the second, with one row more in a small table, ${count(sent.second)} bytes (${((100 * sent.second) / sent.first).toFixed(1)} %); the log backup of a morning ${count(sent.log)} bytes.

Where it lies
  ${shown(folder.offsite)}   (a restic repository: ${(result.stored / 2 ** 20).toFixed(1)} MiB with all backups, encrypted)
  ${shown(folder.passwordFile)}   (the password that opens it)

To read it without us
  ${restic} snapshots
${snapshots === undefined ? '  (restic is not installed here: Debian and Ubuntu have it as restic, macOS as brew install restic)\n' : indented(snapshots)}  ${restic} restore latest --tag kind=full --target /tmp/shop
  and on with /tmp/shop/RESTORE.md, which needs the mariadb client.

To try next
  npm run backup-planet -- windows shop --config ${configuration}
  npm run backup-planet -- list shop --config ${configuration}
  npm run backup-planet -- stats --config ${configuration}
  npm run backup-planet -- init --agent mysql --config ~/backup-planet/backup-planet.yaml   (a commented configuration for a server of yours)
  npm test
`
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}\n`)
    .join('')
}

function count(value: number): string {
  return value.toLocaleString('en')
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
