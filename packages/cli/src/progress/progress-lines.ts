import { describeBytes, type Phase } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { fractionOf, type PhaseState, type ProgressState } from './progress-state.ts'

export interface ProgressLook {
  /** Width of the terminal in characters. */
  readonly columns: number
  readonly unicode: boolean
  readonly color: boolean
}

const itemsShown = 4

/** What leads the display where several phases run at once, and their ends are known of all or of none. */
const leadingPhases: readonly Phase[] = ['capture', 'restore', 'verify', 'read', 'store']

const phaseWords: Readonly<Record<Phase, string>> = {
  capture: 'captured',
  store: 'stored',
  read: 'read',
  restore: 'restored',
  verify: 'verified',
}

const itemWords: Readonly<Record<Phase, string>> = {
  capture: 'capturing',
  store: 'storing',
  read: 'reading',
  restore: 'restoring',
  verify: 'verifying',
}

/** The updating block of a terminal: a pure function of the state. No line is wider than the terminal. */
export function progressBlock(state: ProgressState, look: ProgressLook): readonly string[] {
  const [leading, ...others] = activePhases(state)
  const lines: string[] = []
  if (leading !== undefined) lines.push(leadingLine(leading, look))
  for (const [phase, { bytes, rate }] of others)
    lines.push(`  ${phaseWords[phase]} ${[describeBytes(bytes), ...rateText(rate)].join(', ')}`)
  lines.push(...capturedText(state).map((text) => `  ${text}`))
  if (state.stalledSeconds !== undefined) lines.push(`  ${stalledText(state.stalledSeconds)}`)
  if (state.step !== undefined) lines.push(`  ${look.unicode ? '›' : '>'} ${printable(state.step)}`)
  lines.push(...itemLines(leading === undefined ? [] : [leading, ...others]))
  return lines.map((line, index) => colored(cut(line, look), index === 0 && leading !== undefined && look.color))
}

/** One line for logs and pipes; `undefined` while there is nothing to say. */
export function progressSummary(state: ProgressState): string | undefined {
  const phases = activePhases(state)
  const leading = phases[0]?.[1]
  const captured = capturedText(state)
  if (leading === undefined && captured.length === 0) return state.step === undefined ? undefined : printable(state.step)
  const fraction = leading === undefined ? undefined : fractionOf(leading)
  return [
    ...(fraction === undefined ? [] : [percentText(fraction)]),
    ...captured,
    ...phases.map(([phase, { bytes }]) => `${phaseWords[phase]} ${describeBytes(bytes)}`),
    ...(leading === undefined ? [] : [...rateText(leading.rate), ...remaining(leading), ...itemCounts(leading)]),
    ...(state.stalledSeconds === undefined ? [] : [stalledText(state.stalledSeconds)]),
  ].join(', ')
}

/** The one with a bar first. */
function activePhases(state: ProgressState): readonly (readonly [Phase, PhaseState])[] {
  const active = leadingPhases.flatMap((phase) => {
    const found = phase === 'capture' && state.captured !== undefined ? undefined : state.phases[phase]
    return found === undefined ? [] : [[phase, found] as const]
  })
  return active.toSorted(([, a], [, b]) => Number(fractionOf(a) === undefined) - Number(fractionOf(b) === undefined))
}

function capturedText({ captured, phases }: ProgressState): readonly string[] {
  if (captured === undefined) return []
  const failed = captured.failed === 0 ? '' : ` and ${captured.failed} failed`
  return [`captured ${describeBytes(phases.capture?.bytes ?? 0)} of ${count(captured.items, 'item')}${failed}`]
}

function leadingLine([name, phase]: readonly [Phase, PhaseState], look: ProgressLook): string {
  const fraction = fractionOf(phase)
  const total = fraction === undefined || phase.expected === undefined ? '' : ` of ${describeBytes(phase.expected)}`
  const amount = [`${describeBytes(phase.bytes)}${total}`, ...rateText(phase.rate)].join(', ')
  const begin = fraction === undefined ? '' : `${bar(fraction, look)} ${percentText(fraction).padStart(4)}  `
  return [`${begin}${phaseWords[name]} ${amount}`, ...remaining(phase), ...itemCounts(phase)].join('  ')
}

/** Shorter where the numbers beside it would be cut. */
function bar(fraction: number, { unicode, columns }: ProgressLook): string {
  const width = columns < 100 ? 12 : 24
  const filled = Math.round(fraction * width)
  return unicode ? '█'.repeat(filled) + '░'.repeat(width - filled) : `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

function percentText(fraction: number): string {
  return `${Math.floor(fraction * 100)}%`
}

function rateText(rate: number | undefined): readonly string[] {
  return rate === undefined || rate < 1 ? [] : [`${describeBytes(rate)}/s`]
}

function remaining({ bytes, expected, rate }: PhaseState): readonly string[] {
  if (rate === undefined || rate < 1 || expected === undefined || bytes >= expected) return []
  return [`${describeDuration(Math.max(1, (expected - bytes) / rate) * 1000)} left`]
}

function itemCounts({ items }: PhaseState): readonly string[] {
  const states = [...items.values()]
  const failed = states.filter((state) => state === 'failed').length
  const ended = states.filter((state) => state === 'ended').length
  return states.length === 0 ? [] : [`${ended}/${states.length} items${failed === 0 ? '' : `, ${failed} failed`}`]
}

function itemLines(phases: readonly (readonly [Phase, PhaseState])[]): readonly string[] {
  for (const [phase, { items }] of phases) {
    const begun = [...items].filter(([, state]) => state === 'begun').map(([name]) => `  ${itemWords[phase]} ${printable(name)}`)
    if (begun.length > itemsShown) return [...begun.slice(0, itemsShown), `  and ${begun.length - itemsShown} more`]
    if (begun.length > 0) return begun
  }
  return []
}

function stalledText(seconds: number): string {
  return `nothing has moved for ${describeDuration(seconds * 1000)}`
}

function cut(line: string, { columns, unicode }: ProgressLook): string {
  const characters = [...line]
  const room = Math.max(1, columns - 1)
  return characters.length <= room ? line : characters.slice(0, room - 1).join('') + (unicode ? '…' : '~')
}

function colored(line: string, color: boolean): string {
  return color ? `\u001b[36m${line}\u001b[39m` : line
}
