import { type Completable, type CompletableFlag, type CompletableValues, quoted } from './completable.ts'

export function fishScript({ commands, flags, valued }: Completable): string {
  const complete = (condition: string, rest: string) => `complete -c backup-planet -n ${quoted(condition)} ${rest}`
  return [
    `# The words that are neither options nor their values: the command and its arguments.
function __backup_planet_words
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l skip
    for token in $tokens
        if test -n "$skip"
            set skip
            continue
        end
        switch $token
            case ${valued.join(' ')}
                set skip $token
            case '-*'
            case '*'
                echo -- $token
        end
    end
end
function __backup_planet_in
    set -l words (__backup_planet_words)
    test "$words[1]" = "$argv[1]"
end
function __backup_planet_first
    set -l words (__backup_planet_words)
    test "$words[1]" = "$argv[1]" -a (count $words) -eq 1
end
function __backup_planet_names
    set -l tokens (commandline -opc)
    set -l configuration
    for index in (seq 2 (count $tokens))
        if test "$tokens[$index]" = --config -a $index -lt (count $tokens)
            set configuration --config $tokens[(math $index + 1)]
        end
    end
    backup-planet completion fish --names $argv[1] $configuration 2>/dev/null
end`,
    ...commands.map(({ name, summary }) => complete('__backup_planet_in ""', `-f -a ${name} -d ${quoted(summary)}`)),
    ...flags.map((flag) => complete('__backup_planet_in ""', flagText(flag))),
    ...commands.flatMap(({ name, argument, flags: own }) => [
      ...argumentLines(argument).map((line) => complete(`__backup_planet_first ${name}`, line)),
      ...own.map((flag) => complete(`__backup_planet_in ${name}`, flagText(flag))),
    ]),
  ].join('\n')
}

function argumentLines(argument: CompletableValues | undefined): readonly string[] {
  return argument === undefined ? [] : [`-f -a ${valuesText(argument)}`]
}

function valuesText(values: CompletableValues): string {
  return typeof values === 'string' ? `'(__backup_planet_names ${values})'` : quoted(values.join(' '))
}

function flagText({ flag, summary, valued, values }: CompletableFlag): string {
  const value = values !== undefined ? `-x -a ${valuesText(values)} ` : valued ? '-r ' : ''
  return `-l ${flag.slice(2)} ${value}-d ${quoted(summary)}`
}
