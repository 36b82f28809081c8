import type { Backup, ReplayGuideRequest, RestoreStop } from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
import { inText, lookUpCommand, placeInFile, type ReplayRun, replayPreparation, replayScript } from '../log/replay-commands.ts'
import { type BinlogPlace, type LogFile, placeIn, readLogChain } from './log-chain.ts'

/**
 * Markdown: how the logs of a chain are replayed by hand once each backup is unpacked into its folder: every change behind the state that is brought back
 * before them once, whatever of it the logs hold besides. `undefined` where there is no log.
 */
export function logChainGuide({ backups, folders, stop }: ReplayGuideRequest): string | undefined {
  const logs = backups.filter(({ kind }) => kind === 'log')
  const state = backups.findLast(({ kind }) => kind !== 'log')
  if (state === undefined || logs.length === 0) return undefined
  const { files, begin, problems } = readLogChain(state, logs)
  const [problem] = problems
  if (problem !== undefined || begin === undefined) {
    return `**The logs do not continue the backup before them, and must not be replayed:** ${problem?.message ?? 'it names no position'}. ${problem?.hint ?? ''}\n`
  }
  const flavour = logs[0]?.facts.flavour === 'mariadb' ? 'mariadb' : 'mysql'
  const ending = endingOf(withoutRepeated(files), stop, logs.at(-1) as Backup, begin)
  const place = `The state of ${inText(folderOf(state.id, backups, folders))} ends at ${inText(begin.file)}, offset ${begin.offset}`
  if (ending.runs.length === 0) return `${place}, and nothing is to be replayed on it.\n`
  const path = ({ backup, file }: LogFile): string => `${folderOf(backup, backups, folders)}/${binlogItem}/${file}`
  const runs = ending.runs.map((run): ReplayRun => ({ ...run, files: run.files.map(path) }))
  return `${place}; the command begins right there, leaves out what the logs hold before it, and takes no change twice.
Offsets in it are places in the files, which in a part of a binlog are others than on the server. ${replayPreparation(flavour)}

In the folder of this file, on a server that holds just that state:

${replayScript(flavour, runs)}

${endingText(ending, flavour)}The client stops at the first error: nothing behind it was replayed. Then begin anew with the backup before the logs; what was replayed must not be replayed again.
`
}

function folderOf(id: string, backups: readonly Backup[], folders: readonly string[]): string {
  return folders[backups.findIndex((backup) => backup.id === id)] ?? id
}

/** Of parts that a later file holds too, only that one, and none of which nothing is replayed: log backups take binlogs whole of which parts were followed before. */
function withoutRepeated(files: readonly LogFile[]): readonly LogFile[] {
  const kept: LogFile[] = []
  for (const file of files.filter(({ begin, end }) => begin < end)) {
    let { begin } = file
    for (let last = kept.at(-1); last !== undefined && last.binlog === file.binlog && file.from <= last.begin; last = kept.at(-1)) {
      begin = last.begin
      kept.pop()
    }
    kept.push({ ...file, begin })
  }
  return kept
}

interface GuidedRun extends Omit<ReplayRun, 'files'> {
  readonly files: readonly LogFile[]
}

interface Ending {
  readonly runs: readonly GuidedRun[]
  /** `look up`: an operator has to find the place. */
  readonly how: 'whole' | 'place' | 'time' | 'look up'
}

function endingOf(files: readonly LogFile[], stop: RestoreStop | undefined, last: Backup, begin: BinlogPlace): Ending {
  if (stop === undefined) return { runs: runsOf(files), how: 'whole' }
  if ('before' in stop) {
    const seconds = new Date(stop.before).toISOString().slice(0, 19).replace('T', ' ')
    // What comes before the last backup is replayed as a whole, whatever a clock that was set back says.
    const [before, ending] = [files.filter(({ backup }) => backup !== last.id), files.filter(({ backup }) => backup === last.id)]
    const stopping = runsOf(ending).map((run) => ({ ...run, stop: [run.stop, `--stop-datetime='${seconds}'`].filter(Boolean).join(' ') }))
    return { runs: [...runsOf(before), ...stopping], how: 'time' }
  }
  const place = 'position' in stop ? placeIn(stop.position.value) : undefined
  if (place !== undefined) {
    if (place.file === begin.file && place.offset === begin.offset) return { runs: [], how: 'place' }
    const index = files.findIndex(({ binlog, begin: from, end }) => binlog === place.file && from < place.offset && place.offset <= end)
    const found = files[index]
    if (found !== undefined) return { runs: runsOf([...files.slice(0, index), { ...found, end: place.offset }]), how: 'place' }
  }
  const runs = runsOf(files)
  return { runs: runs.map((run, index) => (index === runs.length - 1 ? { ...run, stop: '--stop-position=OFFSET' } : run)), how: 'look up' }
}

/** One call of the tool for as many files as possible: it can begin late only in its first file, and end early only in its last. */
function runsOf(files: readonly LogFile[]): readonly GuidedRun[] {
  const runs: { start: number; files: LogFile[]; stop?: string }[] = []
  for (const file of files) {
    const run = runs.at(-1)
    const start = placeInFile(file, file.begin)
    const stop = file.end < file.to ? { stop: `--stop-position=${placeInFile(file, file.end)}` } : {}
    if (run === undefined || run.stop !== undefined || file.begin > file.from) runs.push({ start, files: [file], ...stop })
    else Object.assign(run, { files: [...run.files, file] }, stop)
  }
  return runs
}

function endingText({ how }: Ending, flavour: 'mariadb' | 'mysql'): string {
  const look = `${lookUpCommand(flavour)} prints every change of a file with its place in it (\`# at\`), time and GTID`
  if (how === 'time') {
    return `The tool ends with the first change that is stamped with that second or a later one. Times of changes in a transaction are those of its statements, so look the
place up where it matters: ${look}. Then leave out the files behind it, and end with \`--stop-position=\` and that place.

`
  }
  if (how === 'look up') {
    return `**Before that, find where it is to end:** ${look}. Leave out the files behind the one
in which it ends, and write the place there instead of OFFSET: what begins there is not replayed.

`
  }
  return ''
}
