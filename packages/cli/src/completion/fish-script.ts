import { type Completable, type CompletableFlag, completionShells, quoted } from './completable.ts'

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
    ...flags.map((flag) => complete('__backup_planet_in ""', flagText(flag, ''))),
    ...commands.flatMap(({ name, argument, flags: own }) => [
      ...argumentLines(argument).map((line) => complete(`__backup_planet_first ${name}`, line)),
      ...own.map((flag) => complete(`__backup_planet_in ${name}`, flagText(flag, name))),
    ]),
  ].join('\n')
}

function argumentLines(argument: 'job' | 'shell' | undefined): readonly string[] {
  if (argument === 'job') return [`-f -a '(__backup_planet_names jobs)'`]
  return argument === 'shell' ? [`-f -a ${quoted(completionShells.join(' '))}`] : []
}

function flagText({ flag, summary, valued }: CompletableFlag, command: string): string {
  const values = flag === '--kind' ? `-x -a 'full differential log' ` : valued ? '-r ' : ''
  const targets = flag === '--to' && command === 'restore' ? `-x -a '(__backup_planet_names targets)' ` : values
  return `-l ${flag.slice(2)} ${targets}-d ${quoted(summary)}`
}
