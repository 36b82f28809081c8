import { type Completable, type CompletableValues, knownValues } from './completable.ts'

export function bashScript(known: Completable): string {
  const { commands, flags, valued } = known
  const names = commands.map(({ name }) => name).join(' ')
  const cases = commands.map((command) => `      ${command.name}) words='${command.flags.map(({ flag }) => flag).join(' ')}' ;;`)
  const values = knownValues(known).map(({ place, values }) => `    ${place}) words=${valuesText(values)} ;;`)
  return `_backup_planet_words() {
  case $1 in
    :) words='${names}' ;;
${values.join('\n')}
    *) return 1 ;;
  esac
}
_backup_planet() {
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
  if [[ -n $skip ]]; then
    _backup_planet_words "$command:$skip"
  elif [[ $current == -* || -n $argument ]] || ! _backup_planet_words "$command:"; then
    case $command in
      '') words='${flags.map(({ flag }) => flag).join(' ')}' ;;
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _backup_planet backup-planet`
}

function valuesText(values: CompletableValues): string {
  if (typeof values !== 'string') return `'${values.join(' ')}'`
  return `$(backup-planet completion bash --names ${values} "\${configuration[@]}" 2>/dev/null)`
}
