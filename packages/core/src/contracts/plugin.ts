import type { Agent } from './agent.ts'
import type { Repository } from './repository.ts'
import type { Uploader } from './uploader.ts'

/**
 * What a plugin package exports under the name `plugin`, so that the command line finds it by the package's name:
 * `@backup-planet/agent-<application>`, `backup-planet-agent-<application>`, likewise `uploader-` and `repository-`.
 */
export type Plugin = AgentPlugin | UploaderPlugin | RepositoryPlugin

export interface AgentPlugin {
  readonly contract: 'agent-plugin/1'
  readonly application: string
  /** Lines of YAML for `init`: every setting with a comment, none indented. */
  readonly exampleSettings: string
  /** Throws `INVALID_SETTINGS` that names every problem at once. Connects to nothing. */
  create(settings: unknown): Agent
}

export interface UploaderPlugin {
  readonly contract: 'uploader-plugin/1'
  /** URL schemes without colon: `['s3']`. */
  readonly schemes: readonly string[]
  readonly exampleDestination: string
  /**
   * Name of a setting for the absolute path of a directory in which uploads that were interrupted are noted. Where the settings do not give
   * it, who has a place for state of this machine gives one, which need not be there yet. None when left out.
   */
  readonly journalSetting?: string
  /**
   * Whether so many buffers pass through an upload that V8 spends more time on marking its heap in small steps than on the upload. Who runs
   * a process for backups alone may then let it mark in one go (`--no-incremental-marking`), which costs some tens of megabytes. No when left out.
   */
  readonly manyBuffers?: boolean
  /** Throws `INVALID_SETTINGS`. Connects to nothing. */
  create(destination: string, settings: unknown): Uploader
}

export interface RepositoryPlugin {
  readonly contract: 'repository-plugin/1'
  readonly kind: string
  /** Lines of YAML for `init`. */
  readonly exampleSettings: string
  /** Throws `INVALID_SETTINGS`. Reads and writes nothing yet. */
  create(uploader: Uploader, settings: unknown): Repository
}
