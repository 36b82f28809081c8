/** Texts of servers and programs may be of any length and hold anything; what is shown of one is this much, printable, in lines. */
const longestText = 2000

export function shownText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
  const plain = text.replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd').toWellFormed()
  return plain.length <= longestText ? plain : `${plain.slice(0, longestText).toWellFormed()} …`
}

/** What is done, in words: `log backup`, `following`, `drill`. */
export function taskText(task: string): string {
  if (task === 'follow') return 'following'
  return ['full', 'differential', 'log'].includes(task) ? `${task} backup` : task
}

/** `2026-07-24 09:15:00 UTC`. */
export function momentText(moment: string): string {
  return new Date(moment).toISOString().replace(/T(.*)\.\d+Z$/, ' $1 UTC')
}

/** Rounded to the largest two units: `2d 4h`, `3m 10s`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  const shown = parts.slice(Math.max(0, first), first + 2).filter(([amount]) => amount > 0)
  return shown.length === 0 ? '0s' : shown.map(([amount, unit]) => `${amount}${unit}`).join(' ')
}

/** Both ends of what is known of a job, for the end of a message. */
export function standingText(
  facts: { readonly lastSuccess?: string | undefined; readonly restorableUntil?: string | undefined },
  at: string,
): readonly string[] {
  return [
    `Last success: ${facts.lastSuccess === undefined ? 'none that is known here' : `${momentText(facts.lastSuccess)}, ${ago(facts.lastSuccess, at)}`}`,
    `Restorable until: ${facts.restorableUntil === undefined ? 'not known here; "backup-planet windows" looks it up' : `${momentText(facts.restorableUntil)}, ${ago(facts.restorableUntil, at)}`}`,
  ]
}

function ago(moment: string, at: string): string {
  return `${durationText(Date.parse(at) - Date.parse(moment))} before`
}

/** What went wrong, indented, with what to do. */
export function failureText({
  code,
  message,
  hint,
}: {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}): string {
  const indented = message.split('\n').map((line) => `  ${line}`)
  return [`  ${code}`, ...indented, ...(hint === undefined ? [] : [`  What to do: ${hint}`])].join('\n')
}
