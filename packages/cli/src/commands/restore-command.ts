import {
  type Agent,
  type Backup,
  BackupError,
  type Json,
  type Problem,
  type Repository,
  type RestorePlan,
  type RestoreReport,
  restore,
  restoreOutcome,
  restorePlan,
} from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { failureFacts } from '../output/failure-text.ts'
import { count, problemsText, restorePlanText } from '../output/plan-text.ts'
import { restoreReportText } from '../output/restore-report-text.ts'
import { followRun, toldOptions } from '../progress/run-events.ts'
import { type BackupWish, selectBackup } from '../restoring/backup-selection.ts'
import { parseRenames } from '../restoring/rename-option.ts'
import { confirmReplacing, replacedBy } from '../restoring/restore-confirmation.ts'
import { UsageError } from '../usage-error.ts'
import { fromRepositoryOption, repositoryToRead } from '../workspace/repository-choice.ts'
import { examples, itemOption, itemsOf, several } from './command-options.ts'

interface RestoreOptions extends BackupWish {
  readonly to: string
  readonly repository?: string
  readonly item?: readonly string[]
  readonly rename?: readonly string[]
  readonly table?: readonly string[]
  readonly option?: readonly string[]
  readonly overwrite?: true
  readonly plan?: true
  readonly yes?: true
}

export function addRestoreCommand(program: Command, context: CommandContext): void {
  program
    .command('restore')
    .summary('bring a backup back onto a server')
    .description(
      'Plans a restore, and carries it out. Without --backup and --at it is the newest backup. Nothing on the target is replaced without --overwrite, and even then only after the name of the server was typed, or with --yes. Exit code 3 when some items failed; they are named at the end.',
    )
    .argument('<job>', 'name of the job whose backup is restored')
    .requiredOption('--to <target>', 'where to: a name under "targets", or "source" for the server of the job')
    .option('--backup <id>', 'this backup; a beginning or end of its id will do when it fits only one')
    .option('--at <time>', 'the newest backup at or before this time, such as 2026-07-24T02:00:00Z')
    .addOption(fromRepositoryOption())
    .addOption(itemOption('only this item'))
    .option('--rename <old=new>', 'restore an item under another name; may be given several times', several)
    .option('--table <name>', 'only this table, as database.table, and nothing of other databases; may be given several times', several)
    .option('--option <name=value>', 'a choice of the agent, such as threads=8; may be given several times', several)
    .option('--overwrite', 'what is there under the same name may be replaced')
    .option('--plan', 'print what would be done, and do nothing')
    .option('--yes', 'agree to what is replaced without being asked')
    .addHelpText(
      'after',
      examples(
        'backup-planet restore shop --to scratch --plan',
        'backup-planet restore shop --to scratch --item orders --rename orders=orders_old',
        'backup-planet restore shop --to source --at 2026-07-24T02:00:00Z --overwrite',
        'backup-planet restore shop --to scratch --overwrite --yes --json',
      ),
    )
    .action(async (job: string, options: RestoreOptions) => {
      const workspace = await context.workspace()
      const { signal } = context
      const rename = parseRenames(options.rename ?? [])
      const choices = agentOptions(options)
      await using repository = await repositoryToRead(workspace, job, options)
      await using agent = await workspace.agentOn(options.to, job)
      const items = itemsOf(options.item ?? databasesOf(options.table))
      const backup = await selectBackup(repository, job, { ...options, item: items.items }, toldOptions(context))
      const target = { rename, overwrite: options.overwrite === true, options: choices }
      const plan = await restorePlan({ agent, repository, backup, ...items, target }, { signal })
      const shown = { ...plan, problems: [...plan.problems, ...(await readingProblems(repository, backup, context))] }
      if (options.plan) return showPlan(shown, backup, context)
      await carryOut(shown, { agent, backup, options }, context, (followed) =>
        restore({ agent, repository, plan, scratch: workspace.scratch() }, followed),
      )
    })
}

/** An agent plans from the record, which says nothing of whether this host has the key to the files, or they are damaged. */
async function readingProblems(repository: Repository, backup: Backup, { signal }: CommandContext): Promise<readonly Problem[]> {
  try {
    await repository.inventory(backup, { signal })
    return []
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    return [{ severity: 'error', ...failureFacts(error), code: error.code }]
  }
}

function showPlan(plan: RestorePlan, backup: Backup, context: CommandContext): void {
  const errors = plan.problems.filter(({ severity }) => severity === 'error').length
  const closing = errors === 0 ? [] : [`this would restore nothing: the plan has ${count(errors, 'error')}`]
  context.output.emit({ type: 'result', command: 'restore', backup: backup.id, plan })
  context.output.print(
    [`from the ${backup.kind} backup ${backup.id} of ${backup.consistentAt}`, restorePlanText(plan), ...closing, ...waysOut(plan)].join(
      '\n',
    ),
  )
  if (errors > 0) context.end(exitCodes.failed)
}

/** Agents are libraries and know no options of a command line. */
function waysOut({ problems }: RestorePlan): readonly string[] {
  const inTheWay = problems.some(({ severity, code }) => severity === 'error' && code === 'ALREADY_EXISTS')
  return inTheWay ? ['--rename OLD=NEW restores beside what is there; --overwrite replaces it'] : []
}

interface Chosen {
  readonly agent: Agent
  readonly backup: Backup
  readonly options: RestoreOptions
}

async function carryOut(
  plan: RestorePlan,
  { backup, options }: Chosen,
  context: CommandContext,
  execute: Parameters<typeof followRun<RestoreReport>>[1],
): Promise<void> {
  const problems = context.untold(plan.problems)
  if (problems.length > 0) context.output.remark(problemsText(problems))
  if (plan.problems.some(({ severity }) => severity === 'error')) {
    context.output.emit({ type: 'result', command: 'restore', backup: backup.id, plan, report: null })
    context.output.print(['nothing was restored: the plan has errors', ...waysOut(plan)].join('\n'))
    return context.end(exitCodes.failed)
  }
  if (replacedBy(plan).length > 0 && options.yes !== true) await confirmReplacing(plan, context)
  const report = await followRun(context, execute)
  context.output.emit({ type: 'result', command: 'restore', backup: backup.id, plan: plan.id, report })
  context.output.print(restoreReportText({ ...report, problems: context.untold(report.problems) }, plan))
  const outcome = restoreOutcome(report, plan)
  if (outcome !== 'done') context.end(exitCodes[outcome])
}

/** Who asks for tables means nothing but their databases; `undefined` where a name is wild. */
function databasesOf(tables: readonly string[] | undefined): readonly string[] | undefined {
  if (tables === undefined || tables.some((name) => /[*?]/.test(name))) return undefined
  return [...new Set(tables.map((name) => name.slice(0, name.indexOf('.'))))]
}

/** What only the agent understands; it refuses what it does not know. */
function agentOptions({ table, option = [] }: RestoreOptions): Readonly<Record<string, Json>> {
  for (const name of table ?? []) {
    if (!/^[^.]+\../.test(name))
      throw new UsageError(`--table ${JSON.stringify(name)} names no database`, 'Write it like --table shop.orders.')
  }
  const choices = option.map((text): readonly [string, Json] => {
    const [, name, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? []
    if (name === undefined || value === undefined) {
      throw new UsageError(`--option ${JSON.stringify(text)} is not NAME=VALUE`, 'Write it like --option threads=8.')
    }
    return [name, jsonOrText(value)]
  })
  return { ...Object.fromEntries(choices), ...(table === undefined ? {} : { tables: table }) }
}

function jsonOrText(value: string): Json {
  try {
    return JSON.parse(value) as Json
  } catch {
    return value
  }
}
