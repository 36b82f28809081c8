import { evidenceKeyId, publicKeyOf } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { drillJob } from '../drilling/drill-job.ts'
import { exitCodes } from '../exit-codes.ts'
import { drillText } from '../output/drill-text.ts'
import { followRun } from '../progress/run-events.ts'
import { UsageError } from '../usage-error.ts'
import { examples, itemOption } from './command-options.ts'

interface DrillOptions {
  readonly backup?: string
  readonly at?: string
  readonly random?: true
  readonly seed?: string
  readonly item?: readonly string[]
  readonly to?: string
  readonly keep?: true
}

export function addDrillCommand(program: Command, context: CommandContext): void {
  program
    .command('drill')
    .summary('prove that a backup restores')
    .description(
      'Restores a backup to a scratch place, compares what came back with what was backed up, asks the application what it thinks of it, removes the place, and stores a signed record of it in the repositories of the job, which evidence shows. The place is a private server on this machine, which nobody else can reach; with --to schemas of a name of their own on that server. Exit code 1 when the drill did not pass, and 3 when what was drilled came back and something beside it needs you, such as another record that cannot be read or a place that could not be removed.',
    )
    .argument('<job>', 'name of the job whose backups are tried')
    .option('--backup <id>', 'the end of this backup; a beginning or end of its id will do when it fits only one')
    .option('--at <time>', 'everything that was changed before this moment, such as 2026-07-24T02:00:00Z')
    .option('--random', 'any backup, each as likely as the others, or any moment that a log covers; the latest state when nothing is said')
    .option('--seed <number>', 'with --random: draws the same again; the record of each drill names its own')
    .addOption(itemOption('only this item'))
    .option('--to <target>', 'where to: a name under "targets"')
    .option('--keep', 'leave what was restored, to look for the cause of a failure')
    .addHelpText(
      'after',
      examples(
        'backup-planet drill shop',
        'backup-planet drill shop --random',
        'backup-planet drill shop --backup 20260724T0200 --to scratch',
      ),
    )
    .action(async (job: string, { item, seed, ...wish }: DrillOptions) => {
      const workspace = await context.workspace()
      const drilled = { ...wish, seed: seedOf(seed), items: item }
      const report = await followRun(context, (followed) => drillJob(workspace, job, drilled, { ...followed, onKeyMade: told(context) }))
      const { signed, stored, problems } = report
      context.output.emit({ type: 'result', command: 'drill', job, ...signed, stored, problems })
      context.output.print(drillText(report, wish.keep === true))
      const { outcome } = signed.evidence
      if (stored.length === 0 || outcome === 'failed' || outcome === 'impossible') context.end(exitCodes.failed)
      else if (outcome === 'partial') context.end(exitCodes.partial)
    })
}

/** Throws a `UsageError` for what is no seed. */
function seedOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seed = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(seed)) return seed
  throw new UsageError(`--seed ${JSON.stringify(text)} is no whole number`, 'Write it like --random --seed 7.')
}

/** Who holds the public key can verify every record, also when this machine is lost. */
function told({ output }: CommandContext): (file: string, privateKey: string) => void {
  return (file, privateKey) => {
    const publicKey = publicKeyOf(privateKey)
    output.remark(
      `a key that signs records of drills was made in ${file}; keep its public half elsewhere, to verify them with:\n${publicKey.trimEnd()}\nid ${evidenceKeyId(publicKey)}`,
    )
  }
}
