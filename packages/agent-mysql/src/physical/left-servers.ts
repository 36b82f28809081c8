import { setTimeout as delay } from 'node:timers/promises'
import { standingIn } from './datadir-users.ts'

const goneWithinMs = 10_000

/**
 * Ends the server that a restore had started in its work directory, and that outlived it: nobody else could ever reach that server, and what it works on is thrown away. Returns when it is gone.
 */
export async function endServersIn(workDirectory: string): Promise<void> {
  const deadline = performance.now() + goneWithinMs
  for (
    let left = await standingIn(workDirectory);
    left.length > 0 && performance.now() < deadline;
    left = await standingIn(workDirectory)
  ) {
    for (const pid of left) if (pid !== process.pid) kill(pid)
    await delay(20)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already, or belongs to another user; then removing the directory fails and says so.
  }
}
