import { resolve } from 'node:path'
import { BackupError, describeBytes, evidenceKeyId } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { count } from '../output/plan-text.ts'
import { toldOptions } from '../progress/run-events.ts'
import { collectReport } from '../report/collect-report.ts'
import { writePrivateFile } from '../report/private-file.ts'
import type { ReportData } from '../report/report-data.ts'
import { reportPage } from '../report/report-page.ts'
import { UsageError } from '../usage-error.ts'
import { publicKeyIn } from '../workspace/evidence-key-file.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface ReportOptions {
  readonly html?: string
  readonly publicKey?: string
}

export function addReportCommand(program: Command, context: CommandContext): void {
  program
    .command('report')
    .summary('write a page that shows how the jobs stand')
    .description(
      'Writes one HTML page that needs nothing else to be read: problems, what can be restored of each item, backups with sizes and durations, what drills have proven, and what the repositories take. Read from the repositories themselves; touches no server. Only its owner may read the file, and a file that is there is replaced.\nExit code 3 when something could not be read, which the page says.',
    )
    .argument('[job...]', 'only these jobs')
    .option('--html <file>', 'where to; with --json it may be left out')
    .option(
      '--public-key <file>',
      'checks the signatures of the records of drills with this key, as PEM; with the one of the configuration, or of this machine, when left out',
    )
    .addHelpText(
      'after',
      examples(
        'backup-planet report --html /var/www/private/backups.html',
        'backup-planet report shop --html shop.html --public-key evidence.pub',
        'backup-planet report --json',
      ),
    )
    .action(async (jobs: readonly string[], options: ReportOptions) => {
      const { output, mask } = context
      if (options.html === undefined && !output.json) throw new UsageError('--html names no file', 'Write it like --html report.html.')
      const workspace = await context.workspace()
      for (const job of jobs) workspace.configuration.job(job)
      const own = options.publicKey === undefined ? await ownPublicKey(workspace, context) : { key: await publicKeyIn(options.publicKey) }
      const request = { jobs: jobs.length === 0 ? workspace.jobs : [...new Set(jobs)], publicKey: own.key, now: context.now() }
      const { data, unread } = await collectReport(workspace, request, toldOptions(context))
      // Before it becomes markup, in which a secret would be written otherwise.
      const masked = mask.hideIn(data) as ReportData
      output.emit({
        type: 'result',
        command: 'report',
        ...(options.html === undefined ? {} : { file: resolve(options.html) }),
        report: masked,
      })
      if (options.html !== undefined) await write(resolve(options.html), masked, context)
      if (unread > 0 || own.unread === true) context.end(exitCodes.partial)
    })
}

interface OwnPublicKey {
  /** Left out where there is none yet. */
  readonly key?: string | undefined
  readonly unread?: true
}

/** A report is also made where the secrets are not: that its own key cannot be read is told, and records are shown unchecked. */
async function ownPublicKey(workspace: Workspace, context: CommandContext): Promise<OwnPublicKey> {
  try {
    const key = await workspace.evidencePublicKey()
    if (key !== undefined) evidenceKeyId(key)
    return { key }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    const { code, message, hint = 'Name the public key with --public-key.' } = error
    const problem = { severity: 'warning', code, message: `records of drills are not checked: ${message}`, hint } as const
    toldOptions(context).onProgress?.({ type: 'problem', problem })
    return { unread: true }
  }
}

async function write(file: string, data: ReportData, { output }: CommandContext): Promise<void> {
  const page = reportPage(data)
  await writePrivateFile(file, page)
  const errors = data.jobs.flatMap(({ problems }) => problems).filter(({ severity }) => severity === 'error').length
  output.print(`${file}: ${count(data.jobs.length, 'job')}, ${count(errors, 'error')}, ${describeBytes(Buffer.byteLength(page))}`)
}
