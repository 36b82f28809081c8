export interface BenchmarkResult {
  readonly task: string
  readonly name: string
  readonly seconds: number
  /** What part of its time ours takes. */
  readonly ratio: number
  readonly goal?: number | undefined
  readonly peakBytes: number
  readonly bytes?: number | undefined
}

export interface BenchmarkSummary {
  readonly rows: number
  readonly rounds: number
  readonly server: string
  readonly processors: number
  readonly results: readonly BenchmarkResult[]
}

export function resultsTable({ rows, rounds, server, processors, results }: BenchmarkSummary): string {
  const cells = results.map((result) => [
    result.task,
    result.name,
    `${result.seconds.toFixed(1)} s`,
    result.goal === undefined ? '' : result.ratio.toFixed(2),
    result.goal === undefined ? '' : String(result.goal),
    `${(result.peakBytes / 1e6).toFixed(0)} MB`,
    result.bytes === undefined ? '' : `${(result.bytes / 1e6).toFixed(0)} MB`,
  ])
  const header = ['task', 'program', 'median', 'ratio', 'goal', 'peak memory', 'size']
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column > 1)).join('   ')
  const title = `${rows.toLocaleString('en')} rows, ${rounds} rounds, ${server}, ${processors} processors`
  return `\n${title}\n\n${[header, ...cells].map((row) => line(row).trimEnd()).join('\n')}\n`
}

function pad(cell: string, width: number, isNumber: boolean): string {
  return isNumber ? cell.padStart(width) : cell.padEnd(width)
}
