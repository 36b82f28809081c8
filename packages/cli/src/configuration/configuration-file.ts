import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { BackupError, nearest } from '@backup-planet/core'
import { UsageError } from '../usage-error.ts'
import { plainChannelSecrets } from './channel-schema.ts'
import {
  type ConfigurationContent,
  configurationSchema,
  type JobConfiguration,
  knownKeysAt,
  type RepositoryConfiguration,
  type TargetConfiguration,
} from './configuration-schema.ts'
import { notificationProblems } from './notification-problems.ts'
import { plainSecretPaths, referenceProblems } from './secret-references.ts'
import { readYaml, type YamlDocument } from './yaml-document.ts'

/** A checked configuration file. Secrets in it are still references; see `resolveSecrets`. */
export interface Configuration {
  /** Absolute. */
  readonly file: string
  readonly content: ConfigurationContent
  /** Printable place of a value, such as `backup-planet.yaml:7:5: jobs.shop.settings`. */
  place(...path: string[]): string
  /** What the operator should know, although the file can be used. */
  readonly warnings: readonly string[]
  /** Set when the file itself holds secrets and others can read it: which, and how to change that. */
  readonly exposure: { readonly message: string; readonly hint: string } | undefined
  /** These throw a `UsageError` that names the nearest one when there is none of this name. */
  job(name: string): JobConfiguration
  target(name: string): TargetConfiguration
  repository(name: string): RepositoryConfiguration
}

/**
 * Reads and checks a configuration file. Throws `INVALID_SETTINGS` that names every problem at once with its line and
 * column, unknown keys with the nearest known one, and never a value that may be a secret.
 */
export async function loadConfiguration(file: string): Promise<Configuration> {
  const absolute = resolve(file)
  const text = await read(absolute)
  const { mode } = await stat(absolute)
  const shared = process.platform === 'win32' ? 0 : mode & 0o066
  const configuration = parseConfiguration(text, absolute, (shared & 0o044) !== 0)
  if ((shared & 0o022) === 0) return configuration
  const writable = `others can change ${absolute}, and with it which programs backup-planet loads; run: chmod go-w ${absolute}`
  return { ...configuration, warnings: [...configuration.warnings, writable] }
}

/** The pure half of `loadConfiguration`. */
export function parseConfiguration(text: string, file: string, readableByOthers = false): Configuration {
  const document = readYaml(text)
  const shown = basename(file)
  if (document.problems.length > 0) {
    throw invalid(document.problems.map(({ line, column, text }) => `${shown}:${line}:${column}: ${text}`))
  }
  const result = configurationSchema.safeParse(document.data ?? {})
  const problems = result.success
    ? semanticProblems(result.data, document)
    : result.error.issues.flatMap((issue) => issueProblems(issue, document))
  problems.push(...wrongReferences(document.data, document))
  if (problems.length > 0 || !result.success) {
    const ordered = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
    throw invalid(ordered.map(({ line, column, text }) => `${shown}:${line}:${column}: ${text}`))
  }
  return configurationOf(result.data, document, file, readableByOthers)
}

function configurationOf(content: ConfigurationContent, document: YamlDocument, file: string, readableByOthers: boolean): Configuration {
  const secrets = [...plainSecretPaths(content), ...plainChannelSecrets(content.notifications?.channels)]
  return {
    file,
    content,
    place(...path) {
      const { line, column } = document.placeOf(path)
      return `${basename(file)}:${line}:${column}: ${path.join('.')}`
    },
    warnings: [],
    exposure:
      readableByOthers && secrets.length > 0
        ? {
            message: `others can read ${file}, which holds ${secrets.join(', ')} as plain text`,
            hint: `Run "chmod 600 ${file}", or move the secrets out of it with \${env:NAME} or \${file:/path}.`,
          }
        : undefined,
    job: (name) => named(content.jobs, name, 'job', file),
    target: (name) => named(content.targets, name, 'target', file),
    repository: (name) => named(content.repositories, name, 'repository', file),
  }
}

function named<Entry>(entries: Readonly<Record<string, Entry>>, name: string, what: string, file: string): Entry {
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined
  if (entry !== undefined) return entry
  const known = Object.keys(entries)
  const closest = nearest(name, what === 'target' ? [...known, 'source'] : known)
  const plural = what === 'repository' ? 'repositories' : `${what}s`
  const besides = what === 'target' ? ' "source" is the server of the job itself.' : ''
  throw new UsageError(
    `there is no ${what} ${JSON.stringify(name)} in ${file}`,
    [
      ...(closest === undefined ? [] : [`Did you mean "${closest}"?`]),
      known.length === 0 ? `Add one under "${plural}" in ${file}.` : `The ${plural} there are: ${known.join(', ')}.`,
    ].join(' ') + besides,
  )
}

interface Problem {
  readonly line: number
  readonly column: number
  readonly text: string
}

/** What of a zod issue is used here, whatever its kind. */
interface Issue {
  readonly code?: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
  readonly issues?: readonly { readonly message: string }[]
}

function issueProblems(issue: Issue, document: YamlDocument): Problem[] {
  const path = issue.path.map(String)
  const place = path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeysAt(path, document.data)
    return (issue.keys ?? []).map((key) => ({
      ...document.placeOfKey(path, key),
      text: `unknown key ${JSON.stringify(key)}${place === '' ? '' : ` in ${place}`}, ${suggestion(key, known)}`,
    }))
  }
  if (issue.code === 'invalid_key') {
    const key = path.at(-1) ?? ''
    return [{ ...document.placeOfKey(path.slice(0, -1), key), text: `${place}: ${keyMessage(issue)}` }]
  }
  const missing = missingKey(path, document)
  if (missing !== undefined) return [{ ...document.placeOf(path.slice(0, -1)), text: missing }]
  return [{ ...document.placeOf(path), text: `${place === '' ? 'the file' : place}: ${lowerFirst(issue.message)}` }]
}

function keyMessage(issue: Issue): string {
  const inner = issue.issues?.[0]?.message
  return inner ?? lowerFirst(issue.message)
}

function missingKey(path: readonly string[], document: YamlDocument): string | undefined {
  const parent = valueAt(document.data, path.slice(0, -1))
  const key = path.at(-1)
  if (key === undefined || typeof parent !== 'object' || parent === null || Array.isArray(parent) || Object.hasOwn(parent, key))
    return undefined
  const where = path.slice(0, -1).join('.')
  const meant = nearest(key, Object.keys(parent))
  return `${where === '' ? '' : `${where}: `}the key "${key}" is missing${meant === undefined ? '' : `; is "${meant}" meant to be it?`}`
}

function suggestion(key: string, known: readonly string[]): string {
  const closest = nearest(key, known)
  return closest === undefined ? `known are ${known.join(', ')}` : `did you mean "${closest}"?`
}

/** What only shows once every part has its shape: names that lead nowhere. */
function semanticProblems(content: ConfigurationContent, document: YamlDocument): Problem[] {
  const repositories = Object.keys(content.repositories)
  const problems: Problem[] = []
  for (const [name, { repository, mirrors = [] }] of Object.entries(content.jobs)) {
    const named = [[repository, ['repository']], ...mirrors.map((mirror, at) => [mirror, ['mirrors', String(at)]] as const)] as const
    for (const [wanted, below] of named) {
      const path = ['jobs', name, ...below]
      const text =
        repositoryProblem(wanted, repositories) ?? (below[0] === 'mirrors' ? mirrorProblem(wanted, repository, mirrors) : undefined)
      if (text !== undefined) problems.push({ ...document.placeOf(path), text: `${path.join('.')}: ${text}` })
    }
  }
  problems.push(...notificationProblems(content, document))
  for (const [name, { drill }] of Object.entries(content.jobs)) {
    const text = drill?.to === undefined ? undefined : drillTargetProblem(drill.to, Object.keys(content.targets))
    if (text !== undefined) problems.push({ ...document.placeOf(['jobs', name, 'drill', 'to']), text: `jobs.${name}.drill.to: ${text}` })
  }
  if (Object.hasOwn(content.targets, 'source')) {
    problems.push({
      ...document.placeOfKey(['targets'], 'source'),
      text: 'targets.source: this name is taken; it means the server of the job itself',
    })
  }
  return problems
}

function repositoryProblem(wanted: string, repositories: readonly string[]): string | undefined {
  if (repositories.includes(wanted)) return undefined
  const known = repositories.length === 0 ? 'there are none under "repositories"' : suggestion(wanted, repositories)
  return `there is no repository ${JSON.stringify(wanted)}, ${known}`
}

function drillTargetProblem(wanted: string, targets: readonly string[]): string | undefined {
  if (targets.includes(wanted)) return undefined
  if (wanted === 'source') return 'a drill does not burden the server of the job itself; name another one, or leave it out'
  const known = targets.length === 0 ? 'there are none under "targets"' : suggestion(wanted, targets)
  return `there is no target ${JSON.stringify(wanted)}, ${known}`
}

function mirrorProblem(mirror: string, repository: string, mirrors: readonly string[]): string | undefined {
  if (mirror === repository) return `${JSON.stringify(mirror)} is the repository of the job itself; a mirror is another one`
  return mirrors.indexOf(mirror) === mirrors.lastIndexOf(mirror) ? undefined : `${JSON.stringify(mirror)} is named twice`
}

function wrongReferences(value: unknown, document: YamlDocument, path: readonly string[] = []): Problem[] {
  if (typeof value === 'string') {
    return referenceProblems(value).map((text) => ({ ...document.placeOf(path), text: `${path.join('.')}: ${text}` }))
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => wrongReferences(entry, document, [...path, key]))
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let current = value
  for (const part of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) return undefined
    current = (current as Readonly<Record<string, unknown>>)[part]
  }
  return current
}

function invalid(problems: readonly string[]): BackupError {
  return new BackupError(problems.join('\n'), {
    code: 'INVALID_SETTINGS',
    hint: `Correct ${problems.length === 1 ? 'this line' : `these ${problems.length} places`} and try again; "backup-planet init" writes a complete example.`,
  })
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    if (reason === 'ENOENT') {
      throw new UsageError(
        `there is no configuration file ${file}`,
        'Write one with "backup-planet init", or name yours with --config FILE.',
      )
    }
    throw new UsageError(
      `the configuration file ${file} cannot be read (${reason ?? 'unknown reason'})`,
      `Make it readable for the user that runs backup-planet.`,
    )
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
