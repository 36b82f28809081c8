import type { ServerFacts } from '../mysql-server.ts'
import type { Snapshot } from './snapshot.ts'

/** Markdown: how to bring the files back with zstd and the server's own client only. */
export function restoreGuide(server: ServerFacts, snapshot: Pick<Snapshot, 'consistentAt' | 'position'>): string {
  const client = server.flavour === 'mariadb' ? 'mariadb' : 'mysql'
  const position =
    snapshot.position === undefined
      ? 'The server wrote no binlog.'
      : `Binlog position of the data: file \`${snapshot.position.file}\`, offset ${snapshot.position.offset}${snapshot.position.gtid === '' ? '' : `, GTID \`${snapshot.position.gtid}\``}.`
  return `# Restoring by hand

These are the schemas of server ${server.version} as they were at ${snapshot.consistentAt}. ${position}

Every folder is one schema, laid out as mydumper does; the folder \`mysql\` holds the accounts. You need \`zstd\` and \`${client}\`.
The target server must have \`local_infile=1\`. Put user and password into an option file of mode 0600, never on the command line.

In the folder of a schema \`shop\` (characters that file names cannot hold are encoded as \`%XX\` there; \`schema\` is the name on the
server; write one with other characters than letters and digits in single quotes, and a single quote in it as \`'\\''\`):

\`\`\`sh
set -e
schema=shop
for file in *.dat.zst; do [ ! -e "$file" ] || zstd --decompress --rm --quiet -- "$file"; done
run() { [ ! -e "$1" ] || ${client} --local-infile=1 --default-character-set=utf8mb4 --binary-mode --database="$schema" < "$1"; }
for file in *-schema-create.sql; do ${client} --default-character-set=utf8mb4 --binary-mode < "$file"; done
for file in *-schema-sequence.sql; do run "$file"; done
for file in *-schema.sql; do run "$file"; done
for file in $(ls | grep -E '\\.[0-9]{5,}\\.sql$'); do run "$file"; done
for file in *-schema-post.sql; do run "$file"; done
for file in *-schema-view.sql; do run "$file"; done
for file in *-schema-triggers.sql; do run "$file"; done
\`\`\`

LOAD DATA LOCAL turns errors into warnings: compare the rows of every table with \`chunks.jsonl\` afterwards.
A view that uses another view may need the step of the views twice.

Or, in the folder, once the files are decompressed: \`myloader --defaults-file=OPTIONS -d . -B shop -t 4\`, with \`local-infile=1\` under
\`[client]\` in the option file. It restores tables, rows and views; the two files of programs (post and triggers) need the client as above.

Accounts, in the folder \`mysql\`: \`${client} --default-character-set=utf8mb4 < users.sql\`.
`
}
