import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BackupError,
  type OperationOptions,
  type Problem,
  type RestoredFiles,
  type RestorePlan,
  type RestoreReport,
  throwIfAborted,
} from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import { replayFactsOf } from '../restore/log-replay-facts.ts'
import { factFiles, parseBinlogInfo } from './backup-info.ts'
import { BackupStreamReader, checkedStream } from './backup-stream.ts'
import { type BackupTool, backupToolFor, readToolVersion, versionProblem } from './backup-tool.ts'
import { preflightCopyLogs, replayOnCopy } from './copy-logs-run.ts'
import { readDatadirState } from './datadir-state.ts'
import { assertOnlyData, settleFiles } from './extracted-files.ts'
import { instanceItem } from './physical-layout.ts'
import { physicalFactsOf } from './physical-plan-facts.ts'
import { type PhysicalRestoreOptions, parsePhysicalRestoreOptions } from './physical-restore-options.ts'
import type { RestoreStepName } from './physical-restore-steps.ts'
import { atPlace } from './place-errors.ts'
import { recover, removeReplaced } from './restore-remains.ts'
import { extractArguments, prepareArguments } from './tool-arguments.ts'
import { runTool } from './tool-run.ts'
import { WorkDirectory } from './work-directory.ts'

/**
 * Executes a plan: everything is unpacked and prepared in a directory beside the target, which is untouched until the result takes its place in one step. Throws `CONFLICT` before any change
 * when the target is not as the plan found it or a server uses it. A restore that was cut is called again with the same plan.
 */
export async function runPhysicalRestore(
  settings: ResolvedMysqlAgentSettings,
  plan: RestorePlan,
  files: RestoredFiles,
  options: OperationOptions = {},
): Promise<RestoreReport> {
  const { signal, onProgress } = options
  throwIfAborted(signal, 'the restore')
  const { datadir, ...restore } = parsePhysicalRestoreOptions(plan.request.options)
  const { format, endsAt, steps, source } = physicalFactsOf(plan)
  const facts = replayFactsOf(plan)
  refusePlan(plan)
  const logs = facts === undefined ? undefined : { ...options, plan, files, facts, restore }
  const preflight = logs === undefined ? undefined : await preflightCopyLogs(logs)
  const step = (name: RestoreStepName): void => {
    const text = plan.steps.find(({ number }) => number === steps[name])?.text
    if (text !== undefined) onProgress?.({ type: 'step', text })
  }
  const problems: Problem[] = []
  const tell = (found: readonly Problem[]): void => {
    problems.push(...found)
    for (const problem of found) onProgress?.({ type: 'problem', problem })
  }
  step('putBack')
  const recovered = await recover(datadir)
  tell(recovered.problems)
  const target = await readDatadirState(datadir)
  if (target.fingerprint !== plan.target.fingerprint) {
    // Cut after its end, not planned after it.
    if (recovered.done.includes(plan.id)) return report(plan, datadir, { expected: endsAt, found: await endOf(datadir) }, problems)
    throw changed(datadir)
  }
  refuseUsed(datadir, target.users)
  const tool = backupToolFor(format === 'mbstream' ? 'mariadb' : 'mysql', settings.physical)
  let end: string | null = null
  const work = await WorkDirectory.create(datadir, plan.id)
  try {
    const [full, differential] = copiesOf(plan)
    if (full === undefined) throw new TypeError(`plan ${plan.id} names no backup`)
    const context: Context = { tool, files, restore, signal }
    step('unpack')
    await unpack(context, full, work.data)
    await refuseOtherVersion(tool, work.data, signal)
    step('prepare')
    await prepare(context, work.data, { more: differential !== undefined })
    if (differential !== undefined) {
      step('unpackChanges')
      await unpack(context, differential, work.changes)
      step('prepareChanges')
      await prepare(context, work.data, { incremental: work.changes, more: false })
    }
    await assertOnlyData(work.data, { trustSettings: true, signal })
    end = await endOf(work.data)
    if (end !== endsAt) throw otherBackup(endsAt, end)
    step('give')
    await settleFiles(work.data, target.owner, signal)
    if (logs !== undefined && preflight !== undefined) {
      await work.giveTo(target.owner)
      step('start')
      tell(await replayOnCopy({ ...logs, preflight, source, data: work.data, owner: target.owner, onStep: step }))
      // The logs may have made what only a server writes.
      await assertOnlyData(work.data, { trustSettings: true, signal })
      await settleFiles(work.data, target.owner, signal)
    }
    await refuseChanged(plan, datadir)
    throwIfAborted(signal, 'the restore')
    step('moveIntoPlace')
    tell(await work.moveIntoPlace(target.kind === 'filled'))
  } catch (error) {
    await work.remove()
    throw error
  }
  tell(await removeReplaced(work.path))
  for (const { item } of plan.items) onProgress?.({ type: 'item', phase: 'restore', item, state: 'ended' })
  return report(plan, datadir, { expected: endsAt, found: end }, problems, preflight?.endText)
}

interface Context {
  readonly tool: BackupTool
  readonly files: RestoredFiles
  readonly restore: Omit<PhysicalRestoreOptions, 'datadir'>
  readonly signal: AbortSignal | undefined
}

async function unpack({ tool, files, restore, signal }: Context, backup: string, directory: string): Promise<void> {
  await atPlace('create', directory, () => mkdir(directory, { mode: 0o700 }))
  const reader = new BackupStreamReader(`the stream of backup ${backup}`)
  await runTool(
    {
      command: tool.stream,
      arguments: extractArguments(directory),
      input: checkedStream(parts(files, backup, tool, signal), reader),
      during: `unpacking backup ${backup}`,
      success: 'exit code',
    },
    { signal },
  )
  // The tool may end before it has read everything, and says nothing of it.
  reader.end()
  await assertOnlyData(directory, { trustSettings: restore.trustSettings, signal })
}

/** The files of the item one after the other, which are the stream. Each is given back before the next is fetched. */
async function* parts(files: RestoredFiles, backup: string, tool: BackupTool, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const options = signal === undefined ? {} : { signal }
  let next = 0
  for await (const file of files.stream((one) => one.backup === backup && one.item === instanceItem, options)) {
    try {
      const number = partNumber(file.name, tool)
      if (number !== next++) throw missingPart(backup, file.name)
      yield* file.open()
    } finally {
      await file.release()
    }
  }
}

function partNumber(name: string, tool: BackupTool): number {
  const match = new RegExp(`^${instanceItem}\\.${tool.format}\\.(\\d{5,15})$`).exec(name)
  return match === null ? -1 : Number(match[1])
}

function missingPart(backup: string, name: string): BackupError {
  return new BackupError(`file ${JSON.stringify(name)} of backup ${backup} does not follow the one before it`, {
    code: 'CORRUPTED',
    hint: 'Nothing on the target was replaced. Restore from another backup.',
  })
}

async function prepare(
  { tool, restore, signal }: Context,
  directory: string,
  what: { readonly incremental?: string; readonly more: boolean },
): Promise<void> {
  const toolArguments = prepareArguments(tool, { directory, memoryBytes: restore.useMemoryBytes, ...what })
  await runTool({ command: tool.backup, arguments: toolArguments, during: 'preparing the copy', success: 'completed' }, { signal })
}

/** The plan has looked at this already; the tool or the settings may be others by now. */
async function refuseOtherVersion(tool: BackupTool, directory: string, signal: AbortSignal | undefined): Promise<void> {
  const info = await readFact(directory, factFiles.info)
  const server = /^server_version = (\S+)/m.exec(info)?.[1]
  if (server === undefined) {
    throw new BackupError('the backup does not say which server it is of', {
      code: 'CORRUPTED',
      hint: 'Nothing on the target was replaced. Restore from another backup.',
    })
  }
  const problem = versionProblem(await readToolVersion(tool, { signal }), server)
  if (problem !== undefined) throw new BackupError(problem.message, { code: 'UNSUPPORTED', hint: problem.hint })
}

/** Where the copy in a directory ends, as the tool says it; as in the facts of the plan. */
async function endOf(directory: string): Promise<string | null> {
  const position = parseBinlogInfo(await readFact(directory, factFiles.binlog))
  return position === undefined ? null : `${position.file}:${position.offset}`
}

function otherBackup(expected: string | null, found: string | null): BackupError {
  return new BackupError(`the copy ends at ${found ?? 'no position'}, and the record of the backup says ${expected ?? 'none'}`, {
    code: 'CORRUPTED',
    hint: 'Nothing on the target was replaced. Restore from another backup, and verify the repository.',
  })
}

/** The backups of files; logs follow them. */
function copiesOf(plan: RestorePlan): readonly string[] {
  const logs = new Set(plan.items.filter(({ item }) => item === binlogItem).map(({ backup }) => backup))
  return plan.backups.filter((backup) => !logs.has(backup))
}

function report(
  plan: RestorePlan,
  datadir: string,
  { expected, found }: { readonly expected: string | null; readonly found: string | null },
  problems: readonly Problem[],
  appliedTo?: string,
): RestoreReport {
  const checks = [{ name: 'binlog position', expected: expected ?? 'none', found: found ?? 'none', passed: expected === found }]
  const items = plan.items.map(({ item, to }) =>
    item === instanceItem
      ? { item, to, checks, facts: { datadir } }
      : { item, to, checks: [], facts: appliedTo === undefined ? {} : { appliedTo } },
  )
  return { items, problems }
}

async function readFact(directory: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    const text = await readFile(join(directory, name), 'utf8').catch(() => undefined)
    if (text !== undefined) return text.slice(0, 1_048_576)
  }
  return ''
}

function refusePlan(plan: RestorePlan): void {
  const error = plan.problems.find(({ severity }) => severity === 'error')
  if (error !== undefined)
    throw new BackupError(`plan ${plan.id} cannot be carried out: ${error.message}`, { code: error.code, hint: error.hint })
}

/** Right before anything is replaced: hours may have passed. */
async function refuseChanged(plan: RestorePlan, datadir: string): Promise<void> {
  const { fingerprint, users } = await readDatadirState(datadir)
  if (fingerprint !== plan.target.fingerprint) throw changed(datadir)
  refuseUsed(datadir, users)
}

function refuseUsed(datadir: string, users: readonly number[]): void {
  if (users.length === 0) return
  throw new BackupError(`${datadir} is used by process ${users.join(', ')}`, {
    code: 'CONFLICT',
    hint: 'Nothing was replaced. Stop the server of this data directory, and execute the plan again.',
  })
}

function changed(datadir: string): BackupError {
  return new BackupError(`${datadir} is not as the plan found it`, {
    code: 'CONFLICT',
    hint: 'Nothing was replaced. Make a new plan and look at what it would overwrite.',
  })
}
