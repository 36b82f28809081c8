/** A size that the environment sets. Throws for anything but a whole number above 0. */
export function wholeNumber(name: string, otherwise: number): number {
  const text = process.env[name]
  return text === undefined ? otherwise : parsed(name, text)
}

/** Several sizes, separated by commas. Throws as {@link wholeNumber}. */
export function wholeNumbers(name: string, otherwise: readonly number[]): readonly number[] {
  return process.env[name]?.split(',').map((text) => parsed(name, text)) ?? otherwise
}

function parsed(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name} takes whole numbers above 0, not ${text}`)
  return value
}
