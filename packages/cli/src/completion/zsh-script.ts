import { type Completable, type CompletableFlag, type CompletableValues, knownValues, quoted } from './completable.ts'

export function zshScript(known: Completable): string {
  const { commands, flags, valued } = known
  const described = (list: readonly CompletableFlag[]) => list.map(({ flag, summary }) => quoted(`${flag}:${summary}`)).join(' ')
  return `#compdef backup-planet
_backup_planet_values() {
  local -a names
  case $1 in
    :)
      names=(${commands.map(({ name, summary }) => quoted(`${name}:${summary}`)).join(' ')})
      _describe command names ;;
${knownValues(known)
  .map(({ place, values }) => `    ${place}) ${valuesText(values)} ;;`)
  .join('\n')}
    *) return 1 ;;
  esac
  return 0
}
_backup-planet() {
  local word command='' argument='' skip=''
  local -a configuration flags
  for word in "\${(@Q)words[2,CURRENT-1]}"; do
    if [[ $skip == --config ]]; then configuration=(--config "$word"); fi
    if [[ -n $skip ]]; then skip=''; continue; fi
    case $word in
      ${valued.join('|')}) skip=$word ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$word; else argument=$word; fi ;;
    esac
  done
  if [[ -n $skip ]]; then
    _backup_planet_values "$command:$skip" || _files
    return
  fi
  if [[ $words[CURRENT] != -* && -z $argument ]]; then
    _backup_planet_values "$command:" && return
  fi
  case $command in
    '') flags=(${described(flags)}) ;;
${commands.map((command) => `    ${command.name}) flags=(${described(command.flags)}) ;;`).join('\n')}
  esac
  _describe -o option flags
}
if [[ $funcstack[1] == _backup-planet ]]; then _backup-planet "$@"; else compdef _backup-planet backup-planet; fi`
}

function valuesText(values: CompletableValues): string {
  if (typeof values !== 'string') return `compadd -- ${values.join(' ')}`
  return `names=("\${(@f)$(backup-planet completion zsh --names ${values} "\${configuration[@]}" 2>/dev/null)}"); compadd -- "\${names[@]}"`
}
