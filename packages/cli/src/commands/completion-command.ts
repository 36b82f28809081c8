import { Argument, type Command, Option } from 'commander'
import type { CommandContext } from '../command-context.ts'
import type { Configuration } from '../configuration/configuration-file.ts'
import { loadConfiguration } from '../configuration/configuration-file.ts'
import { examples } from './command-options.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export function addCompletionCommand(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script that completes commands and options in a shell.')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .addOption(new Option('--names <what>', 'print the names that a completion script asks for').choices(['jobs', 'targets']).hideHelp())
    .addHelpText(
      'after',
      examples(
        'backup-planet completion bash > /etc/bash_completion.d/backup-planet',
        `backup-planet completion zsh > "\${fpath[1]}/_backup-planet"`,
        'backup-planet completion fish > ~/.config/fish/completions/backup-planet.fish',
      ),
    )
    .action(async (shell: (typeof shells)[number], { names }: { names?: 'jobs' | 'targets' }) => {
      if (names === undefined) return context.output.print(completionScript(shell, completable(program)))
      const found = namesIn(await loadConfiguration(await context.configurationFile()), names)
      if (found.length > 0) context.output.print(found.join('\n'))
    })
}

/** From the file alone: no secret is read and nothing connected to. */
function namesIn({ content }: Configuration, what: 'jobs' | 'targets'): readonly string[] {
  return what === 'jobs' ? Object.keys(content.jobs) : ['source', ...Object.keys(content.targets)]
}

interface Completable {
  readonly name: string
  readonly summary: string
  /** What its first argument is. */
  readonly argument: 'job' | 'shell' | undefined
  readonly flags: readonly { readonly flag: string; readonly summary: string }[]
}

/** Names and options of every command, with those that all commands take. */
function completable(program: Command): readonly Completable[] {
  const flagsOf = (command: Command) =>
    command.options.flatMap(({ long, description, hidden }) => (long && !hidden ? [{ flag: long, summary: description }] : []))
  const global = [...flagsOf(program).filter(({ flag }) => flag !== '--version'), { flag: '--help', summary: 'show help' }]
  return program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    argument: argumentOf(command),
    flags: [...flagsOf(command), ...global],
  }))
}

function argumentOf(command: Command): Completable['argument'] {
  const name = command.registeredArguments[0]?.name()
  return name === 'job' || name === 'shell' ? name : undefined
}

function completionScript(shell: (typeof shells)[number], commands: readonly Completable[]): string {
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](commands)
}

function bashScript(commands: readonly Completable[]): string {
  const names = commands.map(({ name }) => name).join(' ')
  const cases = commands.map(({ name, flags }) => `    ${name}) words='${flags.map(({ flag }) => flag).join(' ')}' ;;`)
  const withJob = commands.filter(({ argument }) => argument === 'job').map(({ name }) => name)
  return `_backup_planet() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' command='' argument='' word skip=''
  local -a configuration=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $skip == --config ]]; then configuration=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      --config|--kind|--item|--to|--backup|--at|--rename|--table|--option|--agent|--job|--repository) skip=$word ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else argument=$word; fi ;;
    esac
  done
  case $skip in
    --kind) words='full differential log' ;;
    --to) [[ $command == restore ]] && words=$(backup-planet completion bash --names targets "\${configuration[@]}" 2>/dev/null) ;;
    '')
      case $command in
        '') words='${names} --config --json --help --version' ;;
    ${cases.join('\n    ')}
      esac
      if [[ $current != -* && -z $argument ]]; then
        case $command in
          ${withJob.join('|')}) words=$(backup-planet completion bash --names jobs "\${configuration[@]}" 2>/dev/null) ;;
          completion) words='${shells.join(' ')}' ;;
          '') words='${names}' ;;
        esac
      fi ;;
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
