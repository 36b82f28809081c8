import type { Command } from 'commander'

export const completionShells = ['bash', 'zsh', 'fish'] as const
export type CompletionShell = (typeof completionShells)[number]

/** What a completion script knows. Names of jobs and targets it asks for, when it is asked. */
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
  /** What its first argument is. */
  readonly argument: 'job' | 'shell' | undefined
  readonly flags: readonly CompletableFlag[]
}

export interface CompletableFlag {
  readonly flag: string
  readonly summary: string
  readonly valued: boolean
}

/** Names and options of every command, with those that all commands take. */
export function completable(program: Command): Completable {
  const flags = [...flagsOf(program), { flag: '--help', summary: 'show help', valued: false }]
  const global = flags.filter(({ flag }) => flag !== '--version')
  const commands = program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary(),
    argument: argumentOf(command),
    flags: [...flagsOf(command), ...global],
  }))
  const valued = commands.flatMap((command) => command.flags.filter((flag) => flag.valued).map(({ flag }) => flag))
  return { commands, flags, valued: [...new Set([...valued, '--names'])] }
}

export function namesOfCommands({ commands }: Completable, argument: CompletableCommand['argument']): readonly string[] {
  return commands.filter((command) => command.argument === argument).map(({ name }) => name)
}

/** In single quotes, for any of the shells. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", '’').replaceAll('\\', '/')}'`
}

function flagsOf(command: Command): readonly CompletableFlag[] {
  return command.options.flatMap(({ long, description, hidden, required }) =>
    long && !hidden ? [{ flag: long, summary: description, valued: required }] : [],
  )
}

function argumentOf(command: Command): CompletableCommand['argument'] {
  const name = command.registeredArguments[0]?.name()
  return name === 'job' || name === 'shell' ? name : undefined
}
