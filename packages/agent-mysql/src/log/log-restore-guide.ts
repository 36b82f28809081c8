import type { Position } from '@backup-planet/core'
import type { BinlogFileFacts } from '../dump-layout.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { inText, lookUpCommand, placeInFile, replayPreparation, replayScript, replayTools, shiftOf } from './replay-commands.ts'

export type GuidedFile = Pick<BinlogFileFacts, 'file' | 'binlog' | 'from' | 'to' | 'bytes'>

/** Markdown: how to replay the files of one log backup, or of several, with the server's own tools only. */
export function logRestoreGuide(
  { flavour, version }: Pick<ServerFacts, 'flavour' | 'version'>,
  { from, to }: { readonly from: Position; readonly to: Position },
  files: readonly GuidedFile[],
  consistentAt: string,
): string {
  const { file = '', offset = '' } = from.value
  const [first] = files
  if (first === undefined) {
    return `# Replaying by hand

Nothing was written to the binlogs of server ${version} between the backup before this one, which ends at file ${inText(file)}, offset ${offset}, and ${consistentAt}: there is
nothing to replay, and it ends there as well.
`
  }
  const { tool, client } = replayTools(flavour)
  const start = first.binlog === file ? placeInFile(first, Number(offset)) : placeInFile(first, first.from)
  const names = files.map((one) => one.file)
  return `# Replaying by hand

These are the binlogs of server ${version} from file ${inText(file)}, offset ${offset}, to file ${inText(to.value.file ?? '')}, offset ${to.value.offset ?? ''}, which is ${consistentAt}, in the folder \`binlog\`; \`binlogs.jsonl\` says of each
file when its first and last transaction were committed, and their GTIDs. They are replayed on a server that holds just the backup before this one,
and are worth nothing on any other. ${replayPreparation(flavour)}

## Where to begin

**Look where the state ends that is on the server:** it stands at the beginning of the \`RESTORE.md\` of the backup that was restored last, and in its \`manifest.json\`
as \`position\`. The command below is right for file ${inText(file)}, offset ${offset}, and for no other place: what that state holds already would be
applied a second time. If the state ends at another place, FILE and OFFSET:

1. Leave out of \`files\` every file of a binlog before FILE, and every file of FILE that ends at OFFSET or before it.
2. If the first file that is left is one of FILE and begins before OFFSET, its start position is OFFSET less the last number in its row. Else it is 4. A start position
   behind the end of a file makes the tool print nothing and say nothing.
3. If no file is left, the state holds all of this backup already. If a file is left, and none of the list is one of FILE, or the first that is left is one of FILE and begins
   behind OFFSET, changes are missing: another log backup comes before this one.

| file in this backup | binlog of the server | begins at | ends at | OFFSET less |
| --- | --- | --- | --- | --- |
${files.map((one) => `| ${inText(one.file)} | ${inText(one.binlog)} | ${one.from} | ${one.to} | ${shiftOf(one)} |`).join('\n')}

## The replay

In the folder \`binlog\`, all files in one pipe, since one session must keep the temporary tables:

${replayScript(flavour, [{ start, files: names }])}

- The start position is one in the first file. To replay several log backups, oldest first, find for each where to begin: the first begins where the state on the server
  ends, each other one where the one before it ends. Write \`{ TOOL1 && TOOL2; } | ${client} …\` with one call of \`${tool}\` for each.
- To end at a place, leave out the files behind it and add \`--stop-position=\` with the offset less the last number in the row of the last file: what begins there is not
  replayed.
- To end before a moment, add \`--stop-datetime='YYYY-MM-DD hh:mm:ss'\` (UTC): from the first change of that second on nothing is replayed. Times of changes in
  a transaction are those of its statements, so look the place up where it matters: ${lookUpCommand(flavour)} prints every change
  with its place in the file, time and GTID, and end at that place.
- To leave a transaction out, end at its place, and begin again with \`--start-position\` at the next.
- The client stops at the first error: nothing behind it was replayed. Begin anew with the full backup; what was replayed must not be replayed again.
`
}
