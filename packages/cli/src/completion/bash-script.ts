import { type Completable, completionShells, namesOfCommands } from './completable.ts'

export function bashScript(known: Completable): string {
  const { commands, flags, valued } = known
  const names = commands.map(({ name }) => name).join(' ')
  const cases = commands.map((command) => `    ${command.name}) words='${command.flags.map(({ flag }) => flag).join(' ')}' ;;`)
  return `_backup_planet() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' command='' argument='' word skip=''
  local -a configuration=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $skip == --config ]]; then configuration=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      ${valued.join('|')}) skip=$word ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else argument=$word; fi ;;
    esac
  done
  case $skip in
    --kind) words='full differential log' ;;
    --to) [[ $command == restore ]] && words=$(backup-planet completion bash --names targets "\${configuration[@]}" 2>/dev/null) ;;
    '')
      case $command in
        '') words='${names} ${flags.map(({ flag }) => flag).join(' ')}' ;;
    ${cases.join('\n    ')}
      esac
      if [[ $current != -* && -z $argument ]]; then
        case $command in
          ${namesOfCommands(known, 'job').join('|')}) words=$(backup-planet completion bash --names jobs "\${configuration[@]}" 2>/dev/null) ;;
          ${namesOfCommands(known, 'shell').join('|')}) words='${completionShells.join(' ')}' ;;
          '') words='${names}' ;;
        esac
      fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _backup_planet backup-planet`
}
