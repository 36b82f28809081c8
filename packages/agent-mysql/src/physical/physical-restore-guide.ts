import type { BinlogPosition } from '../mysql-server.ts'
import type { BackupTool } from './backup-tool.ts'
import { instanceItem } from './physical-layout.ts'

export interface GuideFacts {
  readonly tool: BackupTool
  /** What made the copy, such as `mariadb-backup 10.11.6`. */
  readonly toolVersion: string
  readonly serverVersion: string
  readonly consistentAt: string
  readonly position?: BinlogPosition
  /** Of a differential: the id of the full it belongs to. */
  readonly base?: string
}

/** Markdown: how to bring the data directory back with the tools of the server only. */
export function physicalRestoreGuide(facts: GuideFacts): string {
  const { tool, position, base } = facts
  const place =
    position === undefined
      ? 'The server wrote no binlog.'
      : `Binlog position of the data: file \`${position.file}\`, offset ${position.offset}${position.gtid === '' ? '' : `, GTID \`${position.gtid}\``}.`
  return `# Restoring by hand

This is ${base === undefined ? 'the whole server' : `what had changed on the server since the full backup \`${base}\``}, version ${facts.serverVersion}, as it was at ${facts.consistentAt}. ${place}

The folder \`${instanceItem}\` holds what ${facts.toolVersion} printed, an ${tool.format} stream, cut into files. You need \`${tool.format}\` and \`${tool.family}\` of the version of the
server, and a stopped server with an empty data directory on the same machine. Restore only backups that you trust.

${base === undefined ? fullSteps(tool) : differentialSteps(tool, base)}

Then give the directory to the user of the server and put it into place, while the server is stopped:

\`\`\`text
chown -R mysql:mysql data
mv data /var/lib/mysql
\`\`\`

${logsText(tool, position)}`
}

function fullSteps(tool: BackupTool): string {
  return `In the folder \`${instanceItem}\`, with \`data\` as the new directory (put it on the disk of the data directory):

\`\`\`sh
set -e
data=data
mkdir -m 700 "$data"
cat ${instanceItem}.${tool.format}.* | ${tool.format} -x -C "$data"
${tool.family} --no-defaults --prepare --target-dir="$data"
\`\`\``
}

function differentialSteps(tool: BackupTool, base: string): string {
  const first = tool.family === 'xtrabackup' ? '--prepare --apply-log-only' : '--prepare'
  return `In a folder that holds the folder \`${instanceItem}\` of the full backup \`${base}\` as \`full\`, and the one of this backup as \`differential\`:

\`\`\`sh
set -e
data=data
mkdir -m 700 "$data" changes
cat full/${instanceItem}.${tool.format}.* | ${tool.format} -x -C "$data"
cat differential/${instanceItem}.${tool.format}.* | ${tool.format} -x -C changes
${tool.family} --no-defaults ${first} --target-dir="$data"
${tool.family} --no-defaults --prepare --target-dir="$data" --incremental-dir="$(pwd)/changes"
\`\`\``
}

function logsText(tool: BackupTool, position: BinlogPosition | undefined): string {
  if (position === undefined) return ''
  const [reader, client] = tool.family === 'mariadb-backup' ? ['mariadb-binlog', 'mariadb'] : ['mysqlbinlog', 'mysql']
  return `Later changes, from the binlogs of the server as they lie there: start the server on the directory, without networking so that nobody else writes, and apply all files from \`${position.file}\` on in one go:

\`\`\`text
${reader} --start-position=${position.offset} ${position.file} … | ${client} --binary-mode
\`\`\`

\`--start-position\` counts for the first file. Add \`--stop-datetime\` or \`--stop-position\` to stop before what must not happen again.

From log backups: do as the \`RESTORE.md\` of each says under "Where to begin", with FILE \`${position.file}\` and OFFSET ${position.offset}. A file there that is only a part of a binlog,
\`${position.file}.\` with an offset behind it, has its changes at other places than the server's file: the start position above is wrong in it.
`
}
