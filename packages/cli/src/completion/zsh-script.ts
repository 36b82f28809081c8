import { type Completable, type CompletableFlag, completionShells, namesOfCommands, quoted } from './completable.ts'

export function zshScript(known: Completable): string {
  const { commands, flags, valued } = known
  const described = (list: readonly CompletableFlag[]) => list.map(({ flag, summary }) => quoted(`${flag}:${summary}`)).join(' ')
  return `#compdef backup-planet
_backup-planet() {
  local word command='' argument='' skip=''
  local -a configuration names flags
  for word in "\${(@Q)words[2,CURRENT-1]}"; do
    if [[ $skip == --config ]]; then configuration=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      ${valued.join('|')}) skip=$word ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else argument=$word; fi ;;
    esac
  done
  case $skip in
    --kind) compadd -- full differential log; return ;;
    --to)
      if [[ $command == restore ]]; then
        names=("\${(@f)$(backup-planet completion zsh --names targets "\${configuration[@]}" 2>/dev/null)}")
        compadd -- "\${names[@]}"
        return
      fi ;;
  esac
  if [[ -n $skip ]]; then _files; return; fi
  if [[ $words[CURRENT] != -* && -z $argument ]]; then
    case $command in
      '')
        names=(${commands.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(' ')})
        _describe command names
        return ;;
      ${namesOfCommands(known, 'job').join('|')})
        names=("\${(@f)$(backup-planet completion zsh --names jobs "\${configuration[@]}" 2>/dev/null)}")
        compadd -- "\${names[@]}"
        return ;;
      ${namesOfCommands(known, 'shell').join('|')}) compadd -- ${completionShells.join(' ')}; return ;;
    esac
  fi
  case $command in
    '') flags=(${described(flags)}) ;;
${commands.map((command) => `    ${command.name}) flags=(${described(command.flags)}) ;;`).join('\n')}
  esac
  _describe -o option flags
}
if [[ $funcstack[1] == _backup-planet ]]; then _backup-planet "$@"; else compdef _backup-planet backup-planet; fi`
}
