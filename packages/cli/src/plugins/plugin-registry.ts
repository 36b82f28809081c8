import { sep } from 'node:path'
import {
  type AgentPlugin,
  BackupError,
  directoryUploaderPlugin,
  nearest,
  type Plugin,
  type RepositoryPlugin,
  type UploaderPlugin,
} from '@backup-planet/core'
import { importFrom } from './package-import.ts'

/** Finds the plugins that are installed, by the names a configuration uses. Nothing is loaded before it is asked for. */
export interface PluginRegistry {
  /** Throws `INVALID_SETTINGS` when there is none, with the command that installs it where this project has it. */
  agent(application: string, plugin?: string): Promise<AgentPlugin>
  repository(kind: string, plugin?: string): Promise<RepositoryPlugin>
  /** By the URL scheme of the destination; `file:` is always there. */
  uploader(scheme: string, plugin?: string): Promise<UploaderPlugin>
}

export interface PluginRegistrySettings {
  /** Offered before any package is looked for. */
  readonly plugins?: readonly Plugin[]
  /** Where packages are looked for besides the place of this command: the folder of the configuration file. */
  readonly directory: string
}

type Role = 'agent' | 'repository' | 'uploader'

interface PluginByRole {
  readonly agent: AgentPlugin
  readonly repository: RepositoryPlugin
  readonly uploader: UploaderPlugin
}

/** What is there of this project, for better hints: a package of each in this repository, and `file` inside of core. */
export const ownPlugins: Readonly<Record<Role, readonly string[]>> = {
  agent: ['mysql'],
  repository: ['restic', 'archive'],
  uploader: ['file', 's3', 'sftp'],
}

const pluginName = /^[a-z0-9][a-z0-9-]{0,63}$/

export function createPluginRegistry({ plugins = [], directory }: PluginRegistrySettings): PluginRegistry {
  const given: readonly Plugin[] = [...plugins, directoryUploaderPlugin]
  const directories = [directory, import.meta.dirname]

  async function find<SomeRole extends Role>(role: SomeRole, name: string, explicit: string | undefined): Promise<PluginByRole[SomeRole]> {
    if (explicit !== undefined) {
      const module = await load(explicit, explicit.startsWith('.') ? [directory] : directories)
      if (module === undefined) {
        throw new BackupError(`the plugin ${JSON.stringify(explicit)} cannot be found from ${directory}`, {
          code: 'INVALID_SETTINGS',
          hint:
            explicit.startsWith('.') || explicit.startsWith('/')
              ? 'Correct the path; it is relative to the configuration file.'
              : installHint(explicit),
        })
      }
      return checked(role, name, module, explicit)
    }
    for (const plugin of given) {
      if (plugin.contract === `${role}-plugin/1` && namesOf(plugin).includes(name)) return plugin as PluginByRole[SomeRole]
    }
    if (!pluginName.test(name)) throw unknown(role, name)
    for (const packageName of [`@backup-planet/${role}-${name}`, `backup-planet-${role}-${name}`]) {
      const module = await load(packageName, directories)
      if (module !== undefined) return checked(role, name, module, packageName)
    }
    throw unknown(role, name)
  }

  function installHint(packageName: string): string {
    const here = import.meta.dirname.startsWith(directory + sep)
    return `Install it with: npm install ${here ? '' : '--global '}${packageName}`
  }

  function unknown(role: Role, name: string): BackupError {
    return new BackupError(`there is no ${role} plugin for ${JSON.stringify(name)} installed`, {
      code: 'INVALID_SETTINGS',
      hint: unknownHint(role, name),
    })
  }

  /** Never a command that installs what this project does not know: anybody could have given a package that name. */
  function unknownHint(role: Role, name: string): string {
    const own = ownPlugins[role]
    if (own.includes(name)) return installHint(`@backup-planet/${role}-${name}`)
    if (!pluginName.test(name)) return `Use ${own.join(' or ')}, or name a package or file with "plugin:".`
    const closest = nearest(name, own)
    return [
      ...(closest === undefined ? [] : [`Did you mean "${closest}"?`]),
      `Of this project there is ${own.join(' and ')}. A package of somebody else is found when it is installed and called backup-planet-${role}-${name}; name any other with "plugin:".`,
    ].join(' ')
  }

  return {
    agent: (application, plugin) => find('agent', application, plugin),
    repository: (kind, plugin) => find('repository', kind, plugin),
    uploader: (scheme, plugin) => find('uploader', scheme, plugin),
  }
}

async function load(specifier: string, directories: readonly string[]): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    return await importFrom(specifier, directories)
  } catch (error) {
    throw new BackupError(`the plugin ${JSON.stringify(specifier)} is installed and cannot be loaded: ${(error as Error).message}`, {
      code: 'INVALID_SETTINGS',
      hint: 'Install it again with its dependencies, in a release that fits this backup-planet; BACKUP_PLANET_DEBUG=1 shows where it fails.',
      cause: error,
    })
  }
}

/** A package is only used when it says that it speaks this version's contract, for this very name. */
function checked<SomeRole extends Role>(
  role: SomeRole,
  name: string,
  module: Readonly<Record<string, unknown>>,
  packageName: string,
): PluginByRole[SomeRole] {
  const plugin = module.plugin as Partial<Plugin> | undefined
  const expected = `${role}-plugin/1`
  if (typeof plugin !== 'object' || plugin === null || typeof plugin.create !== 'function') {
    throw new BackupError(`${packageName} exports no "plugin"`, {
      code: 'INVALID_SETTINGS',
      hint: `Name a package that is written for backup-planet, with an export "plugin" of contract ${expected}.`,
    })
  }
  if (plugin.contract !== expected) {
    throw new BackupError(`${packageName} offers the contract ${JSON.stringify(plugin.contract)}, and ${expected} is needed`, {
      code: 'INVALID_SETTINGS',
      hint: `Use a ${role} plugin here, of a release that fits: npm install ${packageName}@latest @backup-planet/cli@latest`,
    })
  }
  const names = namesOf(plugin as Plugin)
  if (!names.includes(name)) {
    throw new BackupError(`${packageName} is for ${names.join(', ')}, not for ${JSON.stringify(name)}`, {
      code: 'INVALID_SETTINGS',
      hint: `Write ${JSON.stringify(names[0])} instead of ${JSON.stringify(name)}, or name another plugin.`,
    })
  }
  return plugin as PluginByRole[SomeRole]
}

function namesOf(plugin: Plugin): readonly string[] {
  if (plugin.contract === 'agent-plugin/1') return [plugin.application]
  return plugin.contract === 'repository-plugin/1' ? [plugin.kind] : plugin.schemes
}
