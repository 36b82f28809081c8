import { describeBytes } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { textTable } from '../output/text-table.ts'
import { examples } from './command-options.ts'

export function addDiscoverCommand(program: Command, context: CommandContext): void {
  program
    .command('discover')
    .summary('show what can be backed up')
    .description('Shows everything the agent of a job finds on its server. Changes nothing.')
    .argument('<job>', 'name of the job')
    .addHelpText('after', examples('backup-planet discover shop', 'backup-planet discover shop --json'))
    .action(async (job: string) => {
      const workspace = await context.workspace()
      await using agent = await workspace.agentOf(job)
      for await (const source of agent.discover({ signal: context.signal })) {
        context.output.emit({ type: 'result', command: 'discover', job, source })
        const rows = source.items.map(({ name, bytes, detail }) => [name, bytes === undefined ? '' : describeBytes(bytes), detail ?? ''])
        context.output.print(
          [
            `${printable(source.name)}: ${agent.application} ${printable(source.version)}, ${count(source.items.length, 'item')}`,
            ...(rows.length === 0 ? [] : [textTable([{ title: 'ITEM' }, { title: 'SIZE', align: 'right' }, { title: 'DETAIL' }], rows)]),
          ].join('\n'),
        )
      }
    })
}
