import { createHash } from 'node:crypto'
import { access, constants } from 'node:fs/promises'
import { hostname } from 'node:os'
import {
  type Backup,
  BackupError,
  describeBytes,
  freeBytes,
  type OperationOptions,
  type Problem,
  type RestorePlan,
  type RestorePlanItem,
  type RestoreRequest,
  throwIfAborted,
} from '@backup-planet/core'
import { binlogItem } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { ServerFlavour } from '../mysql-server.ts'
import { type BackupTool, backupToolFor, readToolVersion, versionProblem } from './backup-tool.ts'
import { planCopyLogs } from './copy-logs-plan.ts'
import { keptFromRemoval } from './datadir-removal.ts'
import { type DatadirState, readDatadirState } from './datadir-state.ts'
import { chainProblems, type PhysicalChain, physicalChain } from './physical-chain.ts'
import { instanceItem, isPhysical } from './physical-layout.ts'
import { physicalPlanFacts } from './physical-plan-facts.ts'
import { parsePhysicalRestoreOptions } from './physical-restore-options.ts'
import { physicalRestoreSteps } from './physical-restore-steps.ts'
import { bytesOfRemains, type RestoreRemains, readRemains, remainsProblems } from './restore-remains.ts'
import { assertStreamTool } from './stream-tool.ts'

/** Whether the full that a restore begins with was made by `mode: physical`. */
export function isPhysicalRestore({ backups }: RestoreRequest): boolean {
  const full = backups.findLast(({ kind }) => kind === 'full')
  return full !== undefined && isPhysical(full)
}

/**
 * What a restore into a data directory of this machine would do, and what stands against it. Needs no server, and changes nothing. Throws `INVALID_SETTINGS` for unknown or missing options,
 * `INVALID_INPUT` without a full, `NOT_FOUND` where there is no place for the data directory.
 */
export async function planPhysicalRestore(
  settings: ResolvedMysqlAgentSettings,
  request: RestoreRequest,
  { signal }: OperationOptions = {},
): Promise<RestorePlan> {
  throwIfAborted(signal, 'planning the restore')
  const restore = parsePhysicalRestoreOptions(request.target.options)
  const chain = physicalChain(request.backups)
  const { full, differential } = chain
  const last = differential ?? full
  const remains = await readRemains(restore.datadir)
  const target = await readDatadirState(restore.datadir, remains.putBack)
  const tool = backupToolFor(flavourOfBackup(chain), settings.physical)
  const rename = request.target.rename ?? {}
  const logs = await planCopyLogs(chain, request, restore, target, { signal })
  const bytes = full.bytes + (differential?.bytes ?? 0) + (logs?.bytes ?? 0)
  const problems = [
    ...chainProblems(chain),
    ...requestProblems(request, last.backup.id, logs !== undefined),
    ...(logs?.problems ?? []),
    ...datadirProblems(target, request.target.overwrite),
    ...(await placeProblems(target, bytes, remains)),
    ...(await toolProblems(tool, chain, signal)),
    ...layoutProblems(chain),
    ...remainsProblems(restore.datadir, remains),
  ]
  const { steps, numbers } = physicalRestoreSteps({ chain, target, tool, putBack: remains.putBack, logs })
  return withId({
    contract: 'restore-plan/1',
    application: 'mysql',
    backups: [full.backup, ...(differential === undefined ? [] : [differential.backup]), ...chain.later].map(({ id }) => id),
    target: { id: `${hostname()}:${restore.datadir}`, name: restore.datadir, fingerprint: target.fingerprint },
    items: [
      {
        item: instanceItem,
        to: instanceItem,
        backup: last.backup.id,
        overwrites: target.kind === 'filled' ? [`data directory ${restore.datadir}`] : [],
        bytes: full.bytes + (differential?.bytes ?? 0),
      },
      ...chain.later.map(logItem),
    ],
    bytes,
    steps,
    problems,
    request: {
      rename,
      overwrite: request.target.overwrite,
      options: request.target.options ?? {},
      ...(request.stop === undefined ? {} : { stop: request.stop }),
    },
    facts: { ...physicalPlanFacts(chain, numbers), ...logs?.facts },
  })
}

/** The server that the backup is of, as its manifest says. */
function flavourOfBackup({ full }: PhysicalChain): ServerFlavour {
  return full.facts.format === 'mbstream' ? 'mariadb' : 'mysql'
}

function logItem(log: Backup): RestorePlanItem {
  const bytes = log.items.find(({ item }) => item === binlogItem)?.bytes
  return { item: binlogItem, to: binlogItem, backup: log.id, overwrites: [], ...(bytes === undefined ? {} : { bytes }) }
}

function requestProblems({ items, target, stop }: RestoreRequest, backup: string, withLogs: boolean): Problem[] {
  const problems: Problem[] = []
  if (stop !== undefined && !withLogs) {
    problems.push({
      severity: 'error',
      code: 'INVALID_INPUT',
      message: 'a copy of files can only be restored as a whole, and not to another moment',
      hint: 'Restore it together with the log backups that follow it, or leave the moment out.',
    })
  }
  for (const [from, to] of Object.entries(target.rename ?? {})) {
    problems.push({
      severity: 'error',
      code: 'INVALID_INPUT',
      item: from,
      message: `rename gives ${from} the name ${to}, and a physical backup is restored as a whole`,
      hint: 'Leave out rename; the option datadir says where to.',
    })
  }
  for (const item of items ?? []) {
    if (item === instanceItem || (item === binlogItem && withLogs)) continue
    problems.push({
      severity: 'error',
      code: 'NOT_FOUND',
      item,
      message: `${item} is not in backup ${backup}, which is physical`,
      hint: `Restore all of it, item ${instanceItem}, to a directory of its own, and copy ${item} from there with a dump.`,
    })
  }
  return problems
}

function datadirProblems(target: DatadirState, overwrite: boolean): Problem[] {
  const problems: Problem[] = []
  if (target.users.length > 0) {
    problems.push({
      severity: 'error',
      code: 'CONFLICT',
      message: `${target.path} is used by process ${target.users.join(', ')}`,
      hint: 'Stop the server of this data directory, or give another place with the option datadir.',
    })
  }
  if (target.kind === 'filled' && !overwrite) {
    problems.push({
      severity: 'error',
      code: 'ALREADY_EXISTS',
      item: instanceItem,
      message: `the data directory ${target.path} is not empty`,
      hint: 'Give an empty place with the option datadir, or allow overwriting.',
    })
  }
  if (target.mountPoint) {
    problems.push({
      severity: 'error',
      code: 'UNSUPPORTED',
      message: `${target.path} is a mount point, which nothing can be put in the place of at once`,
      hint: `Give a directory inside of it, such as ${target.path}/data, and set datadir in the configuration of the server.`,
    })
  }
  return problems
}

/** What is unpacked and what is changed by the redo log; the old directory is only removed once the new one is in its place. */
async function placeProblems(target: DatadirState, bytes: number, remains: RestoreRemains): Promise<Problem[]> {
  const problems: Problem[] = []
  const writable = await access(target.parent, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
  if (!writable) {
    problems.push({
      severity: 'error',
      code: 'ACCESS_DENIED',
      message: `${target.parent} cannot be written to`,
      hint: 'Run the restore as a user that may, such as root, or give another place with the option datadir.',
    })
  }
  const kept = target.kind === 'filled' ? await keptFromRemoval(remains.putBack ?? target.path, target.mountedBelow) : undefined
  if (kept !== undefined) {
    problems.push({
      severity: 'error',
      code: 'ACCESS_DENIED',
      message: `the old directory ${target.path} could not be removed: ${kept} keeps this user from it, or is mounted`,
      hint: 'Run the restore as a user that may, such as root, unmount what is mounted there, or give another place with the option datadir.',
    })
  }
  const now = await freeBytes(target.parent)
  const free = now < bytes ? now + (await bytesOfRemains(remains)) : now
  if (free < bytes) {
    problems.push({
      severity: 'error',
      code: 'OUT_OF_SPACE',
      message: `${target.parent} has ${describeBytes(free)} left, and ${describeBytes(bytes)} are unpacked there`,
      hint: 'Free disk space there, or give a place on another disk with the option datadir.',
    })
  }
  return problems
}

async function toolProblems(tool: BackupTool, { full, differential }: PhysicalChain, signal: AbortSignal | undefined): Promise<Problem[]> {
  const problems: Problem[] = []
  for (const look of [
    async () => {
      const version = await readToolVersion(tool, { signal })
      const problem = versionProblem(version, (differential ?? full).backup.source.version)
      if (problem !== undefined) problems.push({ severity: 'error', code: 'UNSUPPORTED', ...problem })
    },
    () => assertStreamTool(tool, { signal }),
  ]) {
    try {
      await look()
    } catch (error) {
      if (!BackupError.is(error) || error.code === 'ABORTED') throw error
      problems.push({ severity: 'error', code: error.code, message: error.message, hint: error.hint ?? 'Install the tool.' })
    }
  }
  return problems
}

function layoutProblems({ full }: PhysicalChain): Problem[] {
  const { elsewhere } = full.backup.facts
  if (typeof elsewhere !== 'object' || elsewhere === null) return []
  return Object.keys(elsewhere).map((variable) => ({
    severity: 'warning',
    code: 'UNSUPPORTED',
    message: `the server that was backed up had ${variable} outside of its data directory; everything is restored into the data directory`,
    hint: `Leave ${variable} out of the configuration of the server before it is started.`,
  }))
}

/** The same restore has the same id, whatever is found around it: so it finds what it had left when it was cut. */
function withId(plan: Omit<RestorePlan, 'id'>): RestorePlan {
  const { contract, application, backups, target, items, request } = plan
  const work = [contract, application, backups, target.id, items.map(({ item, to, backup }) => [item, to, backup]), request]
  return { id: createHash('sha256').update(JSON.stringify(work)).digest('hex').slice(0, 16), ...plan }
}
