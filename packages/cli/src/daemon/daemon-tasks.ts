import { backupTask } from './backup-task.ts'
import type { DaemonTasks } from './daemon-task.ts'
import { drillTask } from './drill-task.ts'
import { pruneTask } from './prune-task.ts'

/** The work that the daemon knows. A further kind of task is plugged in here. */
export const daemonTasks: DaemonTasks = {
  full: backupTask,
  differential: backupTask,
  log: backupTask,
  drill: drillTask,
  prune: pruneTask,
}
