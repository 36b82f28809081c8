import type { Position } from '@backup-planet/core'
import type { ServerFacts } from '../mysql-server.ts'

/** Markdown: how to replay the files with the server's own tools only. */
export function logRestoreGuide(
  server: Pick<ServerFacts, 'flavour' | 'version'>,
  from: Position,
  files: readonly string[],
  consistentAt: string,
): string {
  const mariadb = server.flavour === 'mariadb'
  const [client, tool] = mariadb ? ['mariadb', 'mariadb-binlog'] : ['mysql', 'mysqlbinlog']
  const { file = '', offset = '' } = from.value
  if (files.length === 0) {
    return `# Replaying by hand

Nothing was written to the binlogs of server ${server.version} between the backup before this one and ${consistentAt}: there is nothing to replay.
`
  }
  return `# Replaying by hand

These are the binlogs of server ${server.version} from file \`${file}\`, offset ${offset}, to ${consistentAt}, in the folder \`binlog\`; \`binlogs.jsonl\` says of each
file when its first and last transaction were committed, and their GTIDs. They are replayed on a server that holds the backup before this one,
and are worth nothing on any other. You need \`${tool}\` and \`${client}\`. Put user and password into an option file of mode 0600, never on the command line.

In the folder, all files in one pipe, since one session must keep temporary tables and GTIDs:

\`\`\`sh
set -o pipefail
TZ=UTC ${tool} ${mariadb ? '' : '--skip-gtids '}--start-position=${startPosition(files, file, offset)} $(ls | grep -v binlogs.jsonl) | ${client} --binary-mode
\`\`\`

The start position is one in the first file. When the logs of several backups are replayed, name all their files, and the start position of the first.
To stop before a moment, add \`--stop-datetime='YYYY-MM-DD hh:mm:ss'\` (UTC): the first change of that second and everything after it are left out.
`
}

/** A part of a binlog holds nothing before the place at which the log begins. */
function startPosition(files: readonly string[], file: string, offset: string): string {
  return files[0] === file ? offset : '4'
}
