const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
}

const binaryUnits = ['TiB', 'GiB', 'MiB', 'KiB'] as const

/**
 * Bytes of a size such as `2GiB`, `1.5 GB`, `4096`; `undefined` when it is none. KB, MB, GB, TB are powers of 1000,
 * KiB, MiB, GiB, TiB powers of 1024; case does not matter.
 */
export function parseByteSize(text: string): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)\s*([kmgt]?i?b)?$/i.exec(text.trim())
  if (parts === null) return undefined
  const factor = unitBytes[(parts[2] ?? 'b').toLowerCase()]
  const bytes = factor === undefined ? Number.NaN : Math.round(Number(parts[1]) * factor)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Bytes per second of a rate such as `20MB/s`; `undefined` when it is none. */
export function parseByteRate(text: string): number | undefined {
  const size = /^(.*)\/\s*s$/i.exec(text.trim())?.[1]
  return size === undefined ? undefined : parseByteSize(size)
}

/** The shortest text that `parseByteSize` reads back as exactly `bytes`. */
export function printByteSize(bytes: number): string {
  for (const unit of binaryUnits) {
    const factor = unitBytes[unit.toLowerCase()] ?? 1
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return `${bytes}B`
}
