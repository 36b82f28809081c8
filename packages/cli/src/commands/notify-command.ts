import { hostname } from 'node:os'
import { BackupError, nearest } from '@backup-planet/core'
import { testMessage } from '@backup-planet/notifications'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { type FailureFacts, failureFacts, failureText } from '../output/failure-text.ts'
import { printable } from '../output/output.ts'
import { UsageError } from '../usage-error.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface NotifyOptions {
  /** A name, or that all are meant. */
  readonly test?: string | true
}

/** What the other side of one channel said. */
type TestedChannel = { readonly channel: string; readonly destination?: string } & (
  | { readonly answer: string }
  | { readonly failure: FailureFacts }
)

export function addNotifyCommand(program: Command, context: CommandContext): void {
  program
    .command('notify')
    .summary('try the channels that tell how backups go')
    .description(
      'Sends a test message through each channel under "notifications", or the one that is named, and says what the other side answered. A ping is sent as a note that changes no check.\nExit code 1 when one of them did not take it.',
    )
    .option('--test [channel]', 'send a test message, through all channels when none is named')
    .addHelpText('after', examples('backup-planet notify --test', 'backup-planet notify --test ops-mail'))
    .action(async ({ test }: NotifyOptions) => {
      if (test === undefined) throw new UsageError('nothing to send', 'Say --test to send a test message through each channel.')
      const workspace = await context.workspace()
      const tested: TestedChannel[] = []
      for (const name of channelsNamed(test, workspace)) tested.push(await testChannel(name, workspace, context))
      context.output.emit({ type: 'result', command: 'notify', channels: tested })
      if (tested.some((channel) => 'failure' in channel)) context.end(exitCodes.failed)
    })
}

function channelsNamed(test: string | true, { configuration }: Workspace): readonly string[] {
  const { content, file } = configuration
  const known = Object.keys(content.notifications?.channels ?? {})
  if (known.length === 0) {
    throw new UsageError(
      `there are no channels in ${file}`,
      `Add one under "notifications", "channels" in ${file}; docs/notifications.md shows some.`,
    )
  }
  if (test === true) return known
  if (known.includes(test)) return [test]
  const closest = nearest(test, known)
  throw new UsageError(
    `there is no channel ${JSON.stringify(test)} in ${file}`,
    `${closest === undefined ? '' : `Did you mean "${closest}"? `}The channels there are: ${known.join(', ')}.`,
  )
}

async function testChannel(name: string, workspace: Workspace, { output, signal, now }: CommandContext): Promise<TestedChannel> {
  let destination: string | undefined
  try {
    const channel = await workspace.channel(name)
    destination = channel.destination
    const answer = await channel.send(testMessage(channel, new Date(now()).toISOString(), hostname()), { signal })
    output.print(`${name}: sent, ${printable(destination)} answered: ${printable(answer)}`)
    return { channel: name, destination, answer }
  } catch (error) {
    if (signal.aborted) throw error
    if (!BackupError.is(error)) throw error
    const failure = failureFacts(error)
    output.print(`${name}: NOT sent\n${failureText(failure)}`)
    return { channel: name, ...(destination === undefined ? {} : { destination }), failure }
  }
}
