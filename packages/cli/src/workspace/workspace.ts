import { createHash } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type Agent,
  BackupError,
  createDirectoryStaging,
  type Json,
  minimumFreeByDefault,
  type Plugin,
  publicKeyOf,
  type Repository,
  type ScratchSettings,
  type Staging,
  type Uploader,
  withMirrors,
} from '@backup-planet/core'
import { type ChannelSettings, channelSecrets, createChannel, type NotificationChannel } from '@backup-planet/notifications'
import type { Configuration } from '../configuration/configuration-file.ts'
import { resolveSecrets, type SecretSources } from '../configuration/secret-references.ts'
import { markHeapAtOnce } from '../lean-memory.ts'
import { createPluginRegistry } from '../plugins/plugin-registry.ts'
import { type EvidenceKey, evidenceKeyIn, readEvidenceKey } from './evidence-key-file.ts'
import { limitedUploader } from './limited-uploader.ts'

/** A configuration brought to life: opens what its names stand for. Everything opened is disposed by who opened it. */
export interface Workspace {
  readonly configuration: Configuration
  readonly jobs: readonly string[]
  /** The agent on the server that a job backs up. */
  agentOf(job: string): Promise<Agent>
  /** The agent on a target; `source` is the server of the job. */
  agentOn(target: string, job: string): Promise<Agent>
  repositoryOf(job: string): Promise<Repository>
  /** The repository of a job, which stores new backups in its mirrors as well, and knows of stages that were sent to others before. */
  mirroredRepositoryOf(job: string): Promise<Repository>
  /** @param replaced settings, as they are, in place of those of the configuration */
  repository(name: string, replaced?: Readonly<Record<string, unknown>>): Promise<Repository>
  /** The place that a repository keeps its objects in, by itself. */
  uploader(repository: string): Promise<Uploader>
  staging(): Staging
  /** A way to somebody, by its name under `notifications.channels`. */
  channel(name: string): Promise<NotificationChannel>
  /** Where it is noted what was told and what is still to be sent. */
  readonly notificationFile: string
  /** Where files on their way are; absolute. What else is kept there may be lost at any time. */
  readonly stagingDirectory: string
  /** For files of restores on their way. */
  scratch(): ScratchSettings & { readonly minimumFreeBytes: number }
  /** Where a drill of a job may put what it restores; `undefined` where the agent chooses. */
  drillDirectory(job: string): string | undefined
  /** The options of the place that a drill of a job restores to. */
  drillOptions(job: string): Promise<Readonly<Record<string, Json>>>
  /** Of the configuration, or one that is made with the first drill. */
  evidenceKey(): Promise<EvidenceKey>
  /** Of the configuration, or that of the key; `undefined` where there is no key yet. */
  evidencePublicKey(): Promise<string | undefined>
}

export interface WorkspaceSettings extends SecretSources {
  readonly configuration: Configuration
  readonly plugins: readonly Plugin[]
}

/** How much of a restore waits on the local disk where the configuration says nothing; a larger file passes alone. */
const restoreBudget = 2 * 1024 ** 3

export function createWorkspace({ configuration, plugins, ...sources }: WorkspaceSettings): Workspace {
  const folder = dirname(configuration.file)
  const registry = createPluginRegistry({ plugins, directory: folder })
  const { staging } = configuration.content
  const disk = {
    minimumFreeBytes: staging.minimumFree ?? minimumFreeByDefault,
    settingNames: { directory: 'staging.directory', budget: 'staging.budget', minimumFree: 'staging.minimumFree' },
  }
  const directory =
    staging.directory === undefined ? defaultDirectory(configuration.file, sources.environment) : resolve(folder, staging.directory)

  const openAgent = async (
    entry: { readonly agent: string; readonly plugin?: string | undefined; readonly settings: unknown },
    path: string[],
  ) => {
    const plugin = await at(configuration.place(...path, 'agent'), () => registry.agent(entry.agent, entry.plugin))
    const place = configuration.place(...path, 'settings')
    const settings = await resolveSecrets(entry.settings, place, sources)
    const agent = await at(place, () => plugin.create(settings))
    return contractChecked(agent, 'agent/1', entry.agent)
  }

  const openUploader = async (name: string): Promise<Uploader> => {
    const { destination, uploader } = configuration.repository(name)
    const path = ['repositories', name]
    const place = configuration.place(...path, 'destination')
    const resolved = String(await resolveSecrets(destination, place, sources, 'destination'))
    const url = /^[a-z][a-z0-9+.-]+:/i.test(resolved) ? resolved : pathToFileURL(resolve(folder, resolved)).href
    const scheme = url.slice(0, url.indexOf(':')).toLowerCase()
    const plugin = await at(place, () => registry.uploader(scheme, uploader.plugin))
    if (plugin.manyBuffers === true) markHeapAtOnce()
    const settings = await resolveSecrets(uploader.settings, configuration.place(...path, 'uploader', 'settings'), sources)
    const opened = await at(place, () => plugin.create(url, withJournal(settings, plugin.journalSetting, join(directory, 'uploads'))))
    return limitedUploader(contractChecked(opened, 'uploader/1', scheme), configuration.content.limits)
  }

  const openRepository = async (name: string, replaced: Readonly<Record<string, unknown>> = {}): Promise<Repository> => {
    const { kind, plugin: explicit, destination: _destination, uploader: _uploader, ...rest } = configuration.repository(name)
    const plugin = await at(configuration.place('repositories', name, 'kind'), () => registry.repository(kind, explicit))
    const place = configuration.place('repositories', name)
    const settings = { ...((await resolveSecrets(omit(rest, Object.keys(replaced)), place, sources)) as object), ...replaced }
    const uploader = await openUploader(name)
    try {
      return contractChecked(await at(place, () => plugin.create(uploader, settings)), 'repository/1', kind)
    } catch (error) {
      await uploader[Symbol.asyncDispose]()
      throw error
    }
  }

  /** One of the keys of the configuration. */
  const evidenceSetting = async (name: 'key' | 'publicKey'): Promise<string | undefined> => {
    const value = configuration.content.evidence[name]
    return value === undefined ? undefined : String(await resolveSecrets(value, configuration.place('evidence', name), sources, name))
  }
  const keyFile = join(directory, 'evidence.key')

  return {
    configuration,
    jobs: Object.keys(configuration.content.jobs),
    agentOf: (job) => openAgent(configuration.job(job), ['jobs', job]),
    agentOn: (target, job) =>
      target === 'source' ? openAgent(configuration.job(job), ['jobs', job]) : openAgent(configuration.target(target), ['targets', target]),
    repositoryOf: (job) => openRepository(configuration.job(job).repository),
    async mirroredRepositoryOf(job) {
      const { repository, mirrors = [] } = configuration.job(job)
      await using opened = new AsyncDisposableStack()
      const first = opened.use(await openRepository(repository))
      const others: Repository[] = []
      for (const mirror of mirrors) others.push(opened.use(await openRepository(mirror)))
      const together = withMirrors(first, others)
      opened.move()
      return together
    },
    repository: openRepository,
    uploader: openUploader,
    async channel(name) {
      const settings = configuration.content.notifications?.channels[name]
      const place = configuration.place('notifications', 'channels', name)
      const resolved = (await resolveSecrets(settings, place, sources)) as ChannelSettings
      for (const secret of channelSecrets(resolved)) sources.mask.remember(secret)
      return createChannel(name, resolved, place)
    },
    notificationFile: join(directory, 'notifications', 'state.json'),
    stagingDirectory: directory,
    staging: () => createDirectoryStaging({ directory: join(directory, 'runs'), budgetBytes: staging.budget, ...disk }),
    scratch: () => ({ directory: join(directory, 'restores'), budgetBytes: staging.budget ?? restoreBudget, ...disk }),
    drillDirectory(job) {
      const named = configuration.job(job).drill?.directory
      if (named !== undefined) return resolve(folder, named)
      // Servers run as another user then, who does not come to what is private to root.
      return process.getuid?.() === 0 ? undefined : join(directory, 'drills')
    },
    async drillOptions(job) {
      const place = configuration.place('jobs', job, 'drill', 'options')
      return (await resolveSecrets(configuration.job(job).drill?.options ?? {}, place, sources)) as Readonly<Record<string, Json>>
    },
    async evidenceKey() {
      const privateKey = await evidenceSetting('key')
      return privateKey === undefined ? await evidenceKeyIn(keyFile, sources.warn) : { privateKey }
    },
    async evidencePublicKey() {
      const named = await evidenceSetting('publicKey')
      if (named !== undefined) return named
      const privateKey = (await evidenceSetting('key')) ?? (await readEvidenceKey(keyFile, sources.warn))
      return privateKey === undefined ? undefined : publicKeyOf(privateKey)
    },
  }
}

function omit(settings: Readonly<Record<string, unknown>>, keys: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !keys.includes(key)))
}

/** What uploads leave when they are interrupted is noted where files on their way are, so that the next run goes on. */
function withJournal(settings: unknown, name: string | undefined, directory: string): unknown {
  return name === undefined ? settings : { [name]: directory, ...(settings as object) }
}

/** Where settings come from is said in front of what is wrong with them. */
async function at<Value>(place: string, open: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await open()
  } catch (error) {
    if (!BackupError.is(error) || error.code !== 'INVALID_SETTINGS') throw error
    throw new BackupError(`${place}: ${error.message}`, { code: error.code, hint: error.hint, cause: error })
  }
}

function contractChecked<Opened extends { readonly contract: string }>(opened: Opened, contract: string, name: string): Opened {
  if (opened.contract === contract) return opened
  throw new BackupError(
    `the plugin for ${JSON.stringify(name)} made something of contract ${JSON.stringify(opened.contract)} where ${contract} is needed`,
    {
      code: 'INVALID_SETTINGS',
      hint: 'Install a release of the plugin that fits this release of backup-planet.',
    },
  )
}

/**
 * XDG_STATE_HOME where it is set; else what the platform has for services, or for people. A folder of its own for each configuration
 * file: what one could not send is never sent to the repository that a job of the same name has in another.
 */
function defaultDirectory(file: string, { XDG_STATE_HOME, HOME, LOCALAPPDATA }: SecretSources['environment']): string {
  const forService = process.platform === 'win32' ? LOCALAPPDATA : process.getuid?.() === 0 ? '/var/lib' : undefined
  const root = XDG_STATE_HOME || forService || (HOME === undefined ? undefined : resolve(HOME, '.local/state'))
  const ofFile = createHash('sha256').update(file).digest('hex').slice(0, 16)
  return resolve(root ?? '.', 'backup-planet', 'staging', ofFile)
}
