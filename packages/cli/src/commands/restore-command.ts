import {
  type Json,
  type RestoreGoal,
  type RestorePlan,
  type RestoreReport,
  restore,
  restoreOutcome,
  restorePlan,
} from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { count, problemsText, restorePlanText } from '../output/plan-text.ts'
import { restoreChainText } from '../output/restore-chain-text.ts'
import { restoreReportText } from '../output/restore-report-text.ts'
import { followRun, toldOptions } from '../progress/run-events.ts'
import { openJobBackups } from '../restoring/job-backups.ts'
import { parseRenames } from '../restoring/rename-option.ts'
import { confirmReplacing, replacedBy } from '../restoring/restore-confirmation.ts'
import { addGoalOptions, type GoalWish, goalOf } from '../restoring/restore-goal-options.ts'
import { UsageError } from '../usage-error.ts'
import { fromRepositoryOption } from '../workspace/repository-choice.ts'
import { examples, itemOption, itemsOf, several } from './command-options.ts'

interface RestoreOptions extends GoalWish {
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
  addGoalOptions(program.command('restore'))
    .summary('bring a backup back onto a server')
    .description(
      'Plans a restore, and carries it out: to the latest state, or to any that windows shows. A moment that cannot be restored exactly is refused, and the nearest that can are named; --nearest takes the one before it. Backups are read from any repository of the job. Nothing on the target is replaced without --overwrite, and even then only after the name of the server was typed, or with --yes. Exit code 3 when some items failed; they are named at the end.',
    )
    .argument('<job>', 'name of the job whose backup is restored')
    .requiredOption('--to <target>', 'where to: a name under "targets", or "source" for the server of the job')
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
        'backup-planet restore shop --to scratch --before-position mysql-bin.000012:4711 --plan',
        'backup-planet restore shop --to scratch --at 2026-07-24T02:00:00+02:00 --nearest',
        'backup-planet restore shop --to scratch --overwrite --yes --json',
      ),
    )
    .action(async (job: string, options: RestoreOptions) => {
      const workspace = await context.workspace()
      const { signal } = context
      const rename = parseRenames(options.rename ?? [])
      const choices = agentOptions(options)
      await using backups = await openJobBackups(workspace, job, options, toldOptions(context))
      await using agent = await workspace.agentOn(options.to, job)
      const items = itemsOf(options.item ?? databasesOf(options.table))
      const to = goalOf(options, agent, backups, items.items)
      const target = { rename, overwrite: options.overwrite === true, options: choices }
      const { listed: repositories, unlisted } = backups
      const plan = await restorePlan({ agent, job, repositories, unlisted, to, ...items, target }, { signal })
      if (options.plan) return showPlan(plan, to, context)
      await carryOut(plan, options, context, (followed) => restore({ agent, repositories, plan, scratch: workspace.scratch() }, followed))
    })
}

function showPlan(plan: RestorePlan, to: RestoreGoal, context: CommandContext): void {
  const errors = plan.problems.filter(({ severity }) => severity === 'error').length
  const closing = errors === 0 ? [] : [`this would restore nothing: the plan has ${count(errors, 'error')}`]
  context.output.emit({ type: 'result', command: 'restore', backup: plan.backups.at(-1), plan })
  context.output.print([restoreChainText(plan, to), restorePlanText(plan), ...closing, ...waysOut(plan)].join('\n'))
  if (errors > 0) context.end(exitCodes.failed)
}

/** Agents are libraries and know no options of a command line. */
function waysOut({ problems }: RestorePlan): readonly string[] {
  const inTheWay = problems.some(({ severity, code }) => severity === 'error' && code === 'ALREADY_EXISTS')
  return inTheWay ? ['--rename OLD=NEW restores beside what is there; --overwrite replaces it'] : []
}

async function carryOut(
  plan: RestorePlan,
  options: RestoreOptions,
  context: CommandContext,
  execute: Parameters<typeof followRun<RestoreReport>>[1],
): Promise<void> {
  const backup = plan.backups.at(-1)
  for (const { message } of plan.chain?.warnings ?? []) context.output.remark(`warning: ${printable(message)}`)
  const problems = context.untold(plan.problems)
  if (problems.length > 0) context.output.remark(problemsText(problems))
  if (plan.problems.some(({ severity }) => severity === 'error')) {
    context.output.emit({ type: 'result', command: 'restore', backup, plan, report: null })
    context.output.print(['nothing was restored: the plan has errors', ...waysOut(plan)].join('\n'))
    return context.end(exitCodes.failed)
  }
  if (replacedBy(plan).length > 0 && options.yes !== true) await confirmReplacing(plan, context)
  const report = await followRun(context, execute)
  context.output.emit({ type: 'result', command: 'restore', backup, plan: plan.id, report })
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
