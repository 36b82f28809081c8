/** Shorter secrets would turn ordinary words and numbers into stars, and protect nothing. */
const shortestSecret = 3

/** Remembers every secret that was read and hides it in everything that is printed. */
export interface SecretMask {
  remember(secret: string): void
  /** All of them, for programs whose output is masked where it is read. */
  remembered(): readonly string[]
  /** Text with every remembered secret, also in its JSON, URL and base64 forms, replaced by `***`. */
  hide(text: string): string
  /** The same for every string inside a JSON value; keys are kept. */
  hideIn(value: unknown): unknown
}

export function createSecretMask(): SecretMask {
  const secrets = new Set<string>()
  const forms = new Set<string>()
  let longestFirst: readonly string[] = []

  const hide = (text: string): string => {
    let hidden = text
    for (const form of longestFirst) hidden = hidden.replaceAll(form, '***')
    return hidden
  }

  const hideIn = (value: unknown): unknown => {
    if (typeof value === 'string') return hide(value)
    if (Array.isArray(value)) return value.map(hideIn)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, hideIn(entry)]))
  }

  return {
    remember(secret) {
      if (secret.length >= shortestSecret) secrets.add(secret)
      for (const form of formsOf(secret)) forms.add(form)
      longestFirst = [...forms].sort((a, b) => b.length - a.length)
    },
    remembered: () => [...secrets],
    hide,
    hideIn,
  }
}

/** A secret as it may show up: as it is, escaped, encoded, and each line of a key file. */
function formsOf(secret: string): readonly string[] {
  const plain = [secret, secret.trim(), ...secret.split(/\r?\n/).filter((line) => line.length >= 8)]
  const forms = plain.flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    encodeURIComponent(text.toWellFormed()),
    ...(text.length >= 8 ? [Buffer.from(text).toString('base64'), Buffer.from(text).toString('base64url')] : []),
  ])
  return forms.filter((form) => form.length >= shortestSecret)
}
