const units = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const

/** An amount of bytes as people read it, rounded: `1.4 GiB`, `312 KiB`, `17 B`. */
export function describeBytes(bytes: number): string {
  for (const [unit, factor] of units) {
    const amount = bytes / factor
    if (amount >= 0.9995) return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${unit}`
  }
  return `${Math.round(bytes)} B`
}
