import type { Plugin, Problem } from '@backup-planet/core'
import type { SecretMask } from './configuration/secret-mask.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Output, OutputStream } from './output/output.ts'
import type { ProgressDisplay } from './progress/progress-display.ts'
import type { Workspace } from './workspace/workspace.ts'

/** What is read from: the answers of the operator. */
export interface InputStream extends NodeJS.ReadableStream {
  readonly isTTY?: boolean
}

/** Everything a command works with; nothing global. */
export interface CommandContext {
  readonly output: Output
  readonly mask: SecretMask
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: InputStream
  readonly stderr: OutputStream
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Offered besides what is installed. */
  readonly plugins: readonly Plugin[]
  /** The file that `--config` or the environment names, or the first of the usual ones that exists. */
  configurationFile(): Promise<string>
  /** The configuration and everything that can be opened from it. */
  workspace(): Promise<Workspace>
  /** The same read anew, as it is now. */
  newWorkspace(): Promise<Workspace>
  /** Called when the configuration is to be read anew: on SIGHUP, which stops a command that listens to nothing. Returns what ends it. */
  onReload(listener: () => void): () => void
  progress(): ProgressDisplay
  /** Those of the problems that this command has not told yet; they count as told from then on. */
  untold(problems: readonly Problem[]): readonly Problem[]
  /** Says how the command ended; `done` when nobody does. */
  end(code: ExitCode): void
}
