import type { Command } from 'commander'

export const completionShells = ['bash', 'zsh', 'fish'] as const
export type CompletionShell = (typeof completionShells)[number]

/** Names of the configuration, which a completion script asks the command for when it is asked for them itself. */
export const completableNames = ['jobs', 'targets', 'repositories'] as const
export type CompletableNames = (typeof completableNames)[number]

/** What may stand in some place: names of the configuration, or one of these words. */
export type CompletableValues = CompletableNames | readonly string[]

/** What a completion script knows. */
export interface Completable {
  readonly commands: readonly CompletableCommand[]
  /** Before a command. */
  readonly flags: readonly CompletableFlag[]
  /** Flags of any command that are followed by a value. */
  readonly valued: readonly string[]
}

export interface CompletableCommand {
  readonly name: string
  readonly summary: string
  /** What its first argument may be. */
  readonly argument: CompletableValues | undefined
  readonly flags: readonly CompletableFlag[]
}

export interface CompletableFlag {
  readonly flag: string
  readonly summary: string
  readonly valued: boolean
  /** What its value may be, where that is known. */
  readonly values: CompletableValues | undefined
}

/** Names and options of every command, with those that all commands take. A command of several has those of all of them. */
export function completable(program: Command): Completable {
  const flags = [...flagsOf(program), { flag: '--help', summary: 'show help', valued: false, values: undefined }]
  const global = flags.filter(({ flag }) => flag !== '--version')
  const commands = program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    argument: argumentOf(command),
    flags: [...distinct([command, ...command.commands].flatMap(flagsOf)), ...global],
  }))
  const valued = commands.flatMap((command) => command.flags.filter((flag) => flag.valued).map(({ flag }) => flag))
  return { commands, flags, valued: [...new Set([...valued, '--names'])] }
}

/** Every place of a value of which something is known, for scripts that look for it by command and flag. */
export function knownValues({ commands }: Completable): readonly { readonly place: string; readonly values: CompletableValues }[] {
  return commands.flatMap(({ name, argument, flags }) => [
    ...(argument === undefined ? [] : [{ place: `${name}:`, values: argument }]),
    ...flags.flatMap(({ flag, values }) => (values === undefined ? [] : [{ place: `${name}:${flag}`, values }])),
  ])
}

/** In single quotes, for any of the shells. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", '’').replaceAll('\\', '/')}'`
}

function flagsOf(command: Command): readonly CompletableFlag[] {
  return command.options.flatMap(({ long, description, hidden, required }) =>
    long && !hidden ? [{ flag: long, summary: description, valued: required, values: valuesOf(command.name(), long) }] : [],
  )
}

function distinct(flags: readonly CompletableFlag[]): readonly CompletableFlag[] {
  return [...new Map(flags.map((flag) => [flag.flag, flag])).values()]
}

function valuesOf(command: string, flag: string): CompletableValues | undefined {
  if (flag === '--kind') return ['full', 'differential', 'log']
  if (flag === '--repository-kind') return ['restic', 'archive']
  // Where a configuration is only begun, and where files are unpacked, it is a folder.
  if (flag === '--repository') return command === 'init' ? undefined : 'repositories'
  if (flag === '--to') return { restore: 'targets' as const, drill: 'targets' as const, copy: 'repositories' as const }[command]
  return undefined
}

function argumentOf(command: Command): CompletableValues | undefined {
  if (command.commands.length > 0) return command.commands.map((one) => one.name())
  const name = command.registeredArguments[0]?.name()
  if (name === 'job') return 'jobs'
  return name === 'shell' ? completionShells : undefined
}
