import { readFileSync } from 'node:fs'

/** Whether a process runs. One that is dead and only waits to be reaped, as it does for ever where process 1 reaps nothing, does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== 'linux') return true
  try {
    // proc(5): the state follows the name, which may hold anything.
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return line.slice(line.lastIndexOf(')') + 2, line.lastIndexOf(')') + 3) !== 'Z'
  } catch {
    return false
  }
}
