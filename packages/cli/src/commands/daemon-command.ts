import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { runDaemon } from '../daemon/run-daemon.ts'
import { examples } from './command-options.ts'

export function addDaemonCommand(program: Command, context: CommandContext): void {
  program
    .command('daemon')
    .summary('run jobs by their schedules')
    .description(
      'Runs the jobs of the configuration by their schedules, until it is stopped. What was missed while it did not run is made up for, once. Of several machines with one configuration, one makes each backup. What fails is tried again.\nSIGHUP: reads the configuration anew; one that is wrong is told, and the one before stays. SIGTERM: begins nothing more, lets what runs go on for a while, and ends with exit code 0. One daemon watches a configuration on a machine; a second is refused.\nsystemd is told what goes on; docs/unattended.md has a unit for it, and a recipe for Windows.',
    )
    .addHelpText('after', examples('backup-planet daemon', 'backup-planet daemon --config /etc/backup-planet/backup-planet.yaml --json'))
    .action(() => runDaemon(context))
}
