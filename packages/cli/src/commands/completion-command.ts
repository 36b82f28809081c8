import { Argument, type Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { examples } from './command-options.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export function addCompletionCommand(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText(
      'after',
      examples(
        'backup-planet completion bash > /etc/bash_completion.d/backup-planet',
        `backup-planet completion zsh > "\${fpath[1]}/_backup-planet"`,
        'backup-planet completion fish > ~/.config/fish/completions/backup-planet.fish',
      ),
    )
    .action((shell: (typeof shells)[number]) => context.output.print(completionScript(shell, completable(program))))
}

interface Completable {
  readonly name: string
  readonly summary: string
  readonly flags: readonly { readonly flag: string; readonly summary: string }[]
}

/** Names and options of every command, with those that all commands take. */
function completable(program: Command): readonly Completable[] {
  const flagsOf = (command: Command) =>
    command.options.flatMap(({ long, description }) => (long ? [{ flag: long, summary: description }] : []))
  const global = [...flagsOf(program).filter(({ flag }) => flag !== '--version'), { flag: '--help', summary: 'show help' }]
  return program.commands.map((command) => ({ name: command.name(), summary: command.summary(), flags: [...flagsOf(command), ...global] }))
}

function completionScript(shell: (typeof shells)[number], commands: readonly Completable[]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands)
}

function bashScript(commands: readonly Completable[]): string {
  const names = commands.map(({ name }) => name).join(' ')
  const cases = commands.map(({ name, flags }) => `    ${name}) words='${flags.map(({ flag }) => flag).join(' ')}' ;;`)
  return `_backup_planet() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' command='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $command in
    '') words='${names}' ;;
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _backup_planet backup-planet`
}

function zshScript(commands: readonly Completable[]): string {
  const cases = commands.map(
    ({ name, flags }) =>
      `    ${name}) _arguments -s ${flags.map(({ flag, summary }) => quoted(`${flag}[${bracketSafe(summary)}]`)).join(' ')} '*:file:_files' ;;`,
  )
  return `#compdef backup-planet
_backup-planet() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
}
_backup-planet "$@"`
}

function fishScript(commands: readonly Completable[]): string {
  return [
    ...commands.map(({ name, summary }) => `complete -c backup-planet -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`),
    ...commands.flatMap(({ name, flags }) =>
      flags.map(
        ({ flag, summary }) =>
          `complete -c backup-planet -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)} -d ${quoted(summary)}`,
      ),
    ),
  ].join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", '’')}'`
}

function bracketSafe(text: string): string {
  return text.replaceAll(/[[\]:]/g, ' ')
}
