import type { Position } from '@backup-planet/core'
import type { ServerFacts } from '../mysql-server.ts'

/** Markdown: how to replay the files of one log backup, or of several, with the server's own tools only. */
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
  const start = startPosition(files, file, offset)
  return `# Replaying by hand

These are the binlogs of server ${server.version} from file ${inText(file)}, offset ${offset}, to ${consistentAt}, in the folder \`binlog\`; \`binlogs.jsonl\` says of each
file when its first and last transaction were committed, and their GTIDs. They are replayed on a server that holds just the backup before this one,
and are worth nothing on any other. You need \`${tool}\` and \`${client}\` of the version of that server or newer, and \`bash\`. Put user and password into an
option file of mode 0600, never on the command line.

What events and triggers did is in the logs already. Before the replay run \`SET GLOBAL event_scheduler = OFF\` on the target, and set it on again at the
end.${mariadb ? ' `slave_run_triggers_for_rbr` must be NO and `gtid_strict_mode` OFF there.' : ''}

In the folder \`binlog\`, all files in one pipe, since one session must keep the temporary tables:

\`\`\`bash
set -o pipefail
files=(${files.map((name) => `\\\n  ${quotedForShell(`./${name}`)} `).join('')})
TZ=UTC ${tool} ${mariadb ? '' : '--skip-gtids '}--start-position=${start} "\${files[@]}" | ${client} --binary-mode --max-allowed-packet=1G
\`\`\`

- The start position is one in the first file. To replay several log backups, oldest first, put the files of all of them into \`files\`, and keep the start
  position of the first; of two files of one binlog (the same name, or the same with an offset behind it) replay only what the first does not hold.
- To end at a position, leave out the files behind it and add \`--stop-position=OFFSET\`, which is one in the last file: what begins there is not replayed.
- To end before a moment, add \`--stop-datetime='YYYY-MM-DD hh:mm:ss'\` (UTC): from the first change of that second on nothing is replayed. Times of changes in
  a transaction are those of its statements, so look the place up where it matters: \`TZ=UTC ${tool} --base64-output=decode-rows -v FILE\` prints every change
  with its place, time and GTID, and end at that position.
- To leave a transaction out, end at its position, and begin again with \`--start-position\` at the next.
- The client stops at the first error: nothing behind it was replayed. Begin anew with the full backup; what was replayed must not be replayed again.
`
}

/** A part of a binlog that begins in its middle holds nothing before the place at which the log begins. */
function startPosition(files: readonly string[], file: string, offset: string): string {
  const beginsBinlog = files[0] === file || files[0] === `${file}.000000000000`
  return beginsBinlog ? offset : '4'
}

function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function inText(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``
}
