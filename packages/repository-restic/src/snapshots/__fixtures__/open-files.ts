import { fstatSync, readdirSync } from 'node:fs'

/** The files that this process has open, by their descriptors; none where the system does not say. */
export function openFiles(): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return fstatSync(Number(name)).isFile()
    } catch {
      // What listed them is closed by now.
      return false
    }
  })
}
