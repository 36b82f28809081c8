import type { Notifier } from '@backup-planet/notifications'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { openNotifier } from './open-notifier.ts'

/** Of a command that may tell how it went: `true` and `false` where that was said. */
export interface NotifyChoice {
  readonly notify?: boolean
}

export function addNotifyOptions(command: Command): Command {
  return command
    .option('--notify', 'tell the channels of the configuration how it goes; as "notifications.onRun: true" does always')
    .option('--no-notify', 'tell nobody, whatever the configuration says')
}

/** Tells how it goes where that is asked for, on the command line or else in the configuration; `undefined` where it is not. */
export async function askedNotifier(
  workspace: Workspace,
  { notify }: NotifyChoice,
  { mask, now, output }: CommandContext,
): Promise<Notifier | undefined> {
  if (!(notify ?? workspace.configuration.content.notifications?.onRun === true)) return undefined
  return await openNotifier({ workspace, mask, warn: (text) => output.remark(`warning: ${text}`), now })
}
