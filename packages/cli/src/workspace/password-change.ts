import { BackupError, type Repository } from '@backup-planet/core'
import { readersOf, type SettingSource, sourceOf } from '../configuration/password-reference.ts'
import { prepareSecretFile } from '../configuration/secret-file.ts'
import { lockText } from '../output/lock-text.ts'
import { UsageError } from '../usage-error.ts'
import { cannot } from './repository-choice.ts'
import type { Workspace } from './workspace.ts'

export interface PasswordChange {
  /** Of the key of the new password. */
  readonly id: string
  /** The password file that holds the new password now; `null` when the password does not stand in a file. */
  readonly file: string | null
  readonly source: SettingSource
}

/**
 * Changes the password that a repository of the configuration is opened with. Where it stands in a file, whatever stands there opens the
 * repository at every moment: the new key is added and tried, the file is replaced at once, and the old key goes only when the repository
 * was opened by what the file says now. Throws `CONFLICT` while others work on the repository, having changed nothing.
 */
export async function changeOwnPassword(
  workspace: Workspace,
  name: string,
  newPassword: () => Promise<string>,
  signal: AbortSignal,
): Promise<PasswordChange> {
  const { configuration } = workspace
  await using repository = await workspace.repository(name)
  const { keys } = repository
  if (keys === undefined) throw cannot(configuration, name, 'be opened by several passwords')
  const source = sourceOf(configuration.repository(name).password)
  if (source.from === 'file') assertOnlyReader(workspace, name, source.path)
  await assertUnlocked(repository, signal)
  const old = await currentKey(repository, signal)
  const password = await newPassword()
  if (source.from !== 'file') return { id: await keys.changePassword(password, { signal }), file: null, source }

  // One that was cut has left its key: it is taken again.
  const before = await keyOpenedBy(workspace, name, signal, password)
  if (before !== undefined && before === old) throw samePassword(name)
  await using next = await prepareSecretFile(source.path, password)
  const id = before ?? (await keys.add(password, { signal }))
  try {
    if (!isNew(await keyOpenedBy(workspace, name, signal, password), old)) throw notOpened(repository)
    await next.putInPlace()
    await using reopened = await workspace.repository(name)
    if (!isNew(await currentKey(reopened, signal), old)) throw notOpened(repository)
    if (old !== undefined) await reopened.keys?.remove(old, { signal })
  } catch (error) {
    throw halfDone(error, id, old, name)
  }
  return { id, file: source.path, source }
}

async function keyOpenedBy(workspace: Workspace, name: string, signal: AbortSignal, password: string): Promise<string | undefined> {
  await using repository = await workspace.repository(name, { password })
  try {
    return await currentKey(repository, signal)
  } catch (error) {
    if (BackupError.is(error) && error.code === 'WRONG_CREDENTIALS') return undefined
    throw error
  }
}

async function currentKey({ keys }: Repository, signal: AbortSignal): Promise<string | undefined> {
  return (await keys?.list({ signal }))?.find(({ current }) => current)?.id
}

function isNew(opened: string | undefined, old: string | undefined): boolean {
  return opened !== undefined && opened !== old
}

function notOpened({ destination }: Repository): BackupError {
  return new BackupError(`${destination} was not opened with the new password`, {
    code: 'CONFLICT',
    hint: 'Somebody else changes the keys or the password file at the same time.',
  })
}

function samePassword(name: string): BackupError {
  return new UsageError(
    `the new password of the repository "${name}" is the one that it has; nothing was changed`,
    'Choose another one. Where an earlier change was cut, the key of the password before it may still be there: backup-planet key list shows it.',
  )
}

/** Another reader of the file would be locked out of whatever it opens with the old password. */
function assertOnlyReader({ configuration }: Workspace, name: string, file: string): void {
  const others = readersOf(file, configuration.content).filter((path) => path !== `repositories.${name}.password`)
  if (others.length === 0) return
  throw new BackupError(`the password file ${file} is also read by ${others.join(', ')}, which would be locked out`, {
    code: 'INVALID_SETTINGS',
    hint: `Copy the file, name the copy in repositories.${name}.password, and start again.`,
  })
}

async function assertUnlocked(repository: Repository, signal: AbortSignal): Promise<void> {
  const held = (await repository.locks?.({ signal }))?.find(({ stale }) => !stale)
  if (held === undefined) return
  throw new BackupError(`somebody works on ${repository.destination}: ${lockText(held)}`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'Start again when that process has ended; nothing was changed. When it is dead, remove its lock with: backup-planet unlock --all.',
  })
}

function halfDone(error: unknown, id: string, old: string | undefined, name: string): unknown {
  if (!BackupError.is(error)) return error
  return new BackupError(`the password is not changed completely: ${error.message}`, {
    code: error.code,
    retryable: error.retryable,
    hint: `Both passwords open the repository "${name}" now. See with "backup-planet key list" which key the configuration opens it with, and remove the other one (${[id, old ?? ''].map((key) => key.slice(0, 8)).join(' or ')}) with: backup-planet key remove ID.`,
    cause: error,
  })
}

export function passwordChangeText({ file, source }: PasswordChange, name: string): string {
  const done = `the password of the repository "${name}" is changed; the old one opens it no more`
  const elsewhere = 'Keep a copy of the new one somewhere else, and give it to every other host that used the old one.'
  if (file !== null) return [done, `wrote ${file}`, elsewhere].join('\n')
  const where =
    source.from === 'variable' ? `set the variable ${source.name} to it` : `write it into the configuration, repositories.${name}.password`
  return [done, `NOW ${where}: until then this configuration does not open the repository.`, elsewhere].join('\n')
}
