import { createRequire } from 'node:module'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { examples } from './command-options.ts'

export function addVersionCommand(program: Command, context: CommandContext): void {
  program
    .command('version')
    .summary('print the version')
    .description('Prints the version of backup-planet and of the Node.js it runs on.')
    .addHelpText('after', examples('backup-planet version', 'backup-planet version --json'))
    .action(() => {
      const version = ownVersion()
      context.output.emit({ type: 'result', command: 'version', version, node: process.versions.node })
      context.output.print(`backup-planet ${version} (Node.js ${process.versions.node})`)
    })
}

/** Through the package's own name, so that it is found from the sources and from the built files alike. */
export function ownVersion(): string {
  const { version } = createRequire(import.meta.url)('@backup-planet/cli/package.json') as { readonly version: string }
  return version
}
