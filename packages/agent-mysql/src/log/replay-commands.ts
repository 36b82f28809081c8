import type { ServerFacts } from '../mysql-server.ts'

/** Files that one call of the tool reads. Offsets are places in the files themselves: in a part of a binlog others than on the server. */
export interface ReplayRun {
  /** In the first file. */
  readonly start: number
  readonly files: readonly string[]
  /** What it ends with before the end of the last file: an option of the tool, such as `--stop-position=4711`. */
  readonly stop?: string
}

/** Where events begin in every binlog, and in every part of one. */
const firstEvent = 4

/**
 * What is to be known of a file to find a place in it. A part begins with what stands at the beginning of its binlog, and goes on with what begins at
 * `from` on the server: see `BinlogFileFacts`.
 */
export interface PlacedFile {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

/** What an offset on the server is more than the same place in the file; nothing for a whole binlog. */
export function shiftOf({ to, bytes }: PlacedFile): number {
  return to - bytes
}

/** Place in the file of an offset on the server. What a file holds before its own events is passed over in any case. */
export function placeInFile(file: PlacedFile, offset: number): number {
  return offset <= file.from ? firstEvent : Math.max(firstEvent, offset - shiftOf(file))
}

export function replayTools(flavour: ServerFacts['flavour']): { readonly client: string; readonly tool: string } {
  return flavour === 'mariadb' ? { client: 'mariadb', tool: 'mariadb-binlog' } : { client: 'mysql', tool: 'mysqlbinlog' }
}

/** For bash: everything in one session, which must keep its temporary tables. The last command of it fails when any part of it has. */
export function replayScript(flavour: ServerFacts['flavour'], runs: readonly ReplayRun[]): string {
  const { client, tool } = replayTools(flavour)
  const command = `TZ=UTC ${tool} ${flavour === 'mariadb' ? '' : '--skip-gtids '}`
  const lists = runs.map(
    ({ files }, index) => `${listOf(runs, index)}=(${files.map((file) => `\\\n  ${quotedForShell(`./${file}`)} `).join('')})`,
  )
  const calls = runs.map(
    ({ start, stop }, index) =>
      `${command}--start-position=${start} ${stop === undefined ? '' : `${stop} `}"\${${listOf(runs, index)}[@]}"`,
  )
  const printed = calls.length === 1 ? calls[0] : `{ ${calls.join(' &&\n  ')}; }`
  return `\`\`\`bash
set -o pipefail
${lists.join('\n')}
${printed} | ${client} --binary-mode --max-allowed-packet=1G
\`\`\``
}

function listOf(runs: readonly ReplayRun[], index: number): string {
  return runs.length === 1 ? 'files' : `files${index + 1}`
}

/** What is needed and set before anything is replayed, as Markdown. */
export function replayPreparation(flavour: ServerFacts['flavour']): string {
  const { client, tool } = replayTools(flavour)
  return `You need \`${tool}\` and \`${client}\` of the version of that server or newer, and \`bash\`. Put user and password into an option file of mode 0600, never
on the command line.

What events and triggers did is in the logs already. Before the replay run \`SET GLOBAL event_scheduler = OFF\` on the target, and set it on again at the
end.${flavour === 'mariadb' ? ' `slave_run_triggers_for_rbr` must be NO and `gtid_strict_mode` OFF there.' : ''}`
}

/** How the place of one change is looked up, as Markdown. */
export function lookUpCommand(flavour: ServerFacts['flavour']): string {
  return `\`TZ=UTC ${replayTools(flavour).tool} --base64-output=decode-rows -v FILE\``
}

function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

export function inText(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``
}
