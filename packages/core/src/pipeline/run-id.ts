import { randomBytes } from 'node:crypto'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Identity of a run that sorts by time as text, such as `20261122T080312Z-k3p7qa`: UTC to the second, then 30 random bits. */
export function createRunId(now: Date): string {
  const time = now.toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '')
  const random = [...randomBytes(6)].map((byte) => alphabet.charAt(byte % 32)).join('')
  return `${time}-${random}`
}
