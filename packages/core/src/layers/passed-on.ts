import type { Reopenable } from '../contracts/index.ts'

/** The same content by way of a layer, with all that was announced of it, however it was announced. */
export function passedOn({ size, sha256, unchanging }: Reopenable, open: Reopenable['open']): Reopenable {
  return { size, sha256, unchanging, open }
}
