import type { RunEvent } from '@backup-planet/core'
import type { Output, OutputStream } from '../output/output.ts'
import { type ProgressLook, progressBlock, progressSummary } from './progress-lines.ts'
import { advance, noProgress } from './progress-state.ts'

/** Shows how far an operation is: a block that updates itself on a terminal, a line now and then elsewhere. */
export interface ProgressDisplay extends Disposable {
  show(event: RunEvent): void
  /** Draws once; a timer calls it otherwise. */
  tick(): void
}

export interface ProgressDisplaySettings {
  readonly output: Output
  readonly stream: OutputStream
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly platform?: NodeJS.Platform
}

const redrawEvery = 120
const lineEvery = 5000

export function createProgressDisplay({
  output,
  stream,
  environment,
  platform = process.platform,
}: ProgressDisplaySettings): ProgressDisplay {
  const updating = stream.isTTY === true && environment.TERM !== 'dumb'
  const look = (): ProgressLook => ({ ...lookOf(environment, platform), columns: stream.columns ?? 80 })
  let state = noProgress
  let drawn: readonly string[] = []
  let lastLine: string | undefined

  const erase = () => {
    if (drawn.length === 0) return
    const { columns } = look()
    // A terminal that became narrower has wrapped the lines that are there.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(visibleLength(line) / columns)), 0)
    output.draw(`\u001b[${rows}A\r\u001b[J`)
    drawn = []
  }
  const draw = () => {
    if (!updating) return
    erase()
    drawn = progressBlock(state, look())
    if (drawn.length > 0) output.draw(`${drawn.join('\n')}\n`)
  }
  const tick = () => {
    if (updating) return draw()
    const line = progressSummary(state)
    if (line !== undefined && line !== lastLine) output.remark(line)
    lastLine = line
  }
  const below = updating ? output.keepBelow({ erase, draw }) : undefined
  const timer = setInterval(tick, updating ? redrawEvery : lineEvery)
  timer.unref()

  return {
    show(event) {
      state = advance(state, event)
    },
    tick,
    [Symbol.dispose]() {
      clearInterval(timer)
      below?.[Symbol.dispose]()
      erase()
      // Whoever reads the lines has seen numbers that were not the last ones.
      if (!updating && lastLine !== undefined) tick()
    },
  }
}

/** Unicode only where the locale says so, colour only where nobody objects (https://no-color.org). */
export function lookOf(
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform,
): Omit<ProgressLook, 'columns'> {
  const locale = environment.LC_ALL || environment.LC_CTYPE || environment.LANG || ''
  const unicode = platform === 'win32' ? environment.WT_SESSION !== undefined : /utf-?8/i.test(locale)
  return { unicode, color: !environment.NO_COLOR && environment.TERM !== 'dumb' }
}

function visibleLength(line: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour sequences take no room
  return [...line.replaceAll(/\u001b\[\d+m/g, '')].length
}
