import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'

const windows = process.platform === 'win32'

/** Whether children are started as leaders of a group of their own; Windows has no groups, it has trees. */
export const ownGroup = !windows

/** Sends a signal to the child and everything it started. Succeeds when all of them have ended. */
export function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return
  if (windows) {
    // Windows has no SIGTERM: a console program can only be ended. /T takes the tree with it.
    spawn('taskkill', ['/pid', String(child.pid), '/T', '/F'], { stdio: 'ignore', windowsHide: true }).on('error', () => child.kill())
    return
  }
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') child.kill(signal)
  }
}

/** After the child itself has ended: gives what it started until `deadline`, then kills it. */
export async function endGroup(child: ChildProcess, deadline: number): Promise<void> {
  if (windows || child.pid === undefined) return
  while (groupLives(child.pid)) {
    if (performance.now() >= deadline) {
      signalGroup(child, 'SIGKILL')
      return
    }
    await wait(10)
  }
}

function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
