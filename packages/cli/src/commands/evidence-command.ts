import { resolve } from 'node:path'
import { BackupError, createEvidenceKey, evidenceKeyId, type Problem } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { describeDuration } from '../configuration/duration.ts'
import { type JobEvidence, listJobEvidence } from '../drilling/job-evidence.ts'
import { exitCodes } from '../exit-codes.ts'
import { count, problemsText } from '../output/plan-text.ts'
import { textTable } from '../output/text-table.ts'
import { UsageError } from '../usage-error.ts'
import { publicKeyIn, writeEvidenceKey } from '../workspace/evidence-key-file.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface EvidenceOptions {
  readonly verify?: true
  readonly publicKey?: string
  readonly newKey?: string
}

export function addEvidenceCommand(program: Command, context: CommandContext): void {
  program
    .command('evidence')
    .summary('show what drills have proven')
    .description(
      'Lists the records of the drills of a job, from its repositories. --verify checks that each was signed with the key and not changed since: exit code 1 when one was not, and when there is none at all. --new-key makes a key that signs records, for "evidence" in the configuration; without one, the first drill makes it.',
    )
    .argument('[job]', 'name of the job that was drilled')
    .option('--verify', 'check the signatures, with the public key of the configuration or of --public-key')
    .option('--public-key <file>', 'with --verify: the public key, as PEM')
    .option('--new-key <file>', 'make a key in this new file, and print its public half')
    .addHelpText(
      'after',
      examples(
        'backup-planet evidence shop',
        'backup-planet evidence shop --verify --public-key evidence.pub',
        'backup-planet evidence --new-key /etc/backup-planet/evidence.key > evidence.pub',
      ),
    )
    .action(async (job: string | undefined, options: EvidenceOptions) => {
      if (options.newKey !== undefined) return await makeKey(options.newKey, job, context)
      if (job === undefined) throw new UsageError('no job is named', 'Write it like backup-planet evidence JOB.')
      if (options.publicKey !== undefined && options.verify !== true) throw new UsageError('--public-key is for --verify', 'Add --verify.')
      await show(await context.workspace(), job, options, context)
    })
}

async function makeKey(file: string, job: string | undefined, { output }: CommandContext): Promise<void> {
  if (job !== undefined) throw new UsageError('--new-key makes a key for all jobs', 'Leave out the job.')
  const { privateKey, publicKey } = createEvidenceKey()
  const path = resolve(file)
  if (!(await writeEvidenceKey(path, privateKey))) {
    throw new BackupError(`there is a file ${path} already`, {
      code: 'ALREADY_EXISTS',
      hint: 'Name a new file: records that were signed with an old key can only be verified with that.',
    })
  }
  output.emit({ type: 'result', command: 'evidence new-key', file: path, publicKey, keyId: evidenceKeyId(publicKey) })
  output.print(publicKey.trimEnd())
}

async function show(workspace: Workspace, job: string, options: EvidenceOptions, context: CommandContext): Promise<void> {
  const { output, signal } = context
  const publicKey = options.verify === true ? await keyToVerify(workspace, options.publicKey) : undefined
  let unreadable = 0
  const onProblem = (problem: Problem): void => {
    unreadable++
    output.emit({ type: 'problem', problem })
    output.remark(problemsText([problem]))
  }
  const records = await listJobEvidence(workspace, job, publicKey, { signal, onProblem })
  for (const { problem } of records) if (problem !== undefined) output.remark(problemsText([problem]))
  output.emit({ type: 'result', command: 'evidence', job, records, unreadable })
  const verified = records.filter((record) => record.verified === true).length
  output.print(
    [
      records.length === 0 ? `no drill of job ${job} yet` : evidenceTable(records, publicKey !== undefined),
      ...(publicKey === undefined
        ? []
        : [`${verified} of ${count(records.length, 'record')} verified with the key ${evidenceKeyId(publicKey)}`]),
    ].join('\n'),
  )
  if (publicKey !== undefined && (verified < records.length || verified === 0)) context.end(exitCodes.failed)
  else if (unreadable > 0) context.end(publicKey === undefined ? exitCodes.partial : exitCodes.failed)
}

async function keyToVerify(workspace: Workspace, file: string | undefined): Promise<string> {
  const key = file === undefined ? await workspace.evidencePublicKey() : await publicKeyIn(file)
  if (key !== undefined) return key
  throw new UsageError(
    'there is no public key to verify with',
    'Name one with --public-key, or as evidence.publicKey in the configuration.',
  )
}

function evidenceTable(records: readonly JobEvidence[], verifying: boolean): string {
  const columns = [
    { title: 'RECORD' },
    { title: 'OUTCOME' },
    { title: 'STATE' },
    { title: 'BACKUP' },
    { title: 'TOOK', align: 'right' },
    ...(verifying ? [{ title: 'SIGNATURE' }] : []),
    { title: 'WHY' },
  ] as const
  const rows = records.map(({ evidence, verified }) => [
    evidence.id,
    evidence.outcome,
    evidence.restorePoint?.at ?? '',
    evidence.restorePoint?.backup ?? '',
    describeDuration(evidence.seconds * 1000),
    ...(verifying ? [verified === true ? 'verified' : 'NOT VERIFIED'] : []),
    evidence.failure === undefined ? '' : `${evidence.failure.code}: ${evidence.failure.message}`,
  ])
  return textTable(columns, rows)
}
