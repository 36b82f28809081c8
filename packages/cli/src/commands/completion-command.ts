import { Argument, type Command, Option } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { bashScript } from '../completion/bash-script.ts'
import {
  type Completable,
  type CompletableNames,
  type CompletionShell,
  completable,
  completableNames,
  completionShells,
} from '../completion/completable.ts'
import { fishScript } from '../completion/fish-script.ts'
import { zshScript } from '../completion/zsh-script.ts'
import type { Configuration } from '../configuration/configuration-file.ts'
import { loadConfiguration } from '../configuration/configuration-file.ts'
import { examples } from './command-options.ts'

const scripts: Readonly<Record<CompletionShell, (known: Completable) => string>> = { bash: bashScript, zsh: zshScript, fish: fishScript }

export function addCompletionCommand(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(completionShells))
    .addOption(new Option('--names <what>', 'print the names that a completion script asks for').choices(completableNames).hideHelp())
    .addHelpText(
      'after',
      examples(
        'backup-planet completion bash > /etc/bash_completion.d/backup-planet',
        `backup-planet completion zsh > "\${fpath[1]}/_backup-planet"`,
        'backup-planet completion fish > ~/.config/fish/completions/backup-planet.fish',
      ),
    )
    .action(async (shell: CompletionShell, { names }: { names?: CompletableNames }) => {
      if (names === undefined) return context.output.print(scripts[shell](completable(program)))
      const found = namesIn(await loadConfiguration(await context.configurationFile()), names)
      if (found.length > 0) context.output.print(found.join('\n'))
    })
}

/** From the file alone: no secret is read and nothing connected to. */
function namesIn({ content }: Configuration, what: CompletableNames): readonly string[] {
  const names = Object.keys(content[what])
  return what === 'targets' ? ['source', ...names] : names
}
