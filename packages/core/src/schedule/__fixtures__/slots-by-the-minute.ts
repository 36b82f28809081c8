import { Cron } from 'croner'

const minute = 60_000

/**
 * The slots of an expression of whole minutes after `from` and up to `to`, found by looking at the clock on the wall every minute, as the oldest cron does:
 * a time that was on the wall already counts once, except where the times are close enough to go on over the end of what comes twice, a time that never comes counts at the next minute that does, and what is for every hour counts as it comes.
 */
export function slotsByTheMinute(text: string, zone: string, from: number, to: number): number[] {
  const cron = new Cron(text, { paused: true, utcOffset: 0, mode: '5-part' })
  const everyHour = [...Array(24).keys()].every((hour) =>
    new Cron(`0 ${text.split(' ')[1]} * * *`, { paused: true, utcOffset: 0 }).match(new Date(hour * 3_600_000)),
  )
  const wallAt = wallClock(zone)
  const slots: number[] = []
  // Two days before, so that what was on the wall already is known.
  const begin = from - 2 * 86_400_000
  let highest = wallAt(begin)
  let goesOn = false
  for (let at = begin + minute; at <= to; at += minute) {
    const wall = wallAt(at)
    const skipped = !everyHour && wall > highest + minute && matchesWithin(cron, highest + minute, wall)
    if (wall > highest) goesOn = false
    else if (wall <= wallAt(at - minute)) goesOn = goesOnOver(cron, highest + minute, highest + minute - wall)
    const isNew = everyHour || wall > highest || goesOn
    if (at > from && isNew && (skipped || cron.match(new Date(wall)))) slots.push(at)
    highest = Math.max(highest, wall)
  }
  return slots
}

function goesOnOver(cron: Cron, end: number, twice: number): boolean {
  for (let next = end; next < end + twice; next += minute) if (cron.match(new Date(next))) return matchesWithin(cron, next - twice, end)
  return false
}

function matchesWithin(cron: Cron, from: number, to: number): boolean {
  for (let wall = from; wall < to; wall += minute) if (cron.match(new Date(wall))) return true
  return false
}

function wallClock(zone: string): (moment: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  return (moment) => {
    const parts = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]))
    return Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day, parts.hour, parts.minute)
  }
}
