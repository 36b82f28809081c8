import type { Backup, Json, RestorePlan } from '@backup-planet/core'
import { BackupError } from '@backup-planet/core'
import * as z from 'zod'
import { parseGtidSet, printGtidSet, unionOfGtidSets } from '../binlog/gtid-set.ts'
import { type LeftOut, leftOutSchema } from '../dump/left-out-facts.ts'
import { fileFacts, type LogChain } from './log-chain.ts'
import type { ReplayTools } from './log-replay-tools.ts'

const logFile = fileFacts.extend({ backup: z.string(), begin: z.int().min(0), end: z.int().min(0) })

const schema = z.object({
  logs: z.array(logFile),
  /** Number of the first log of the last backup, in which the stop lies. */
  lastBackup: z.int().min(0),
  /** What is executed where the last backup begins; left out where the server keeps no GTIDs. */
  gtid: z.string().optional(),
  flavour: z.enum(['mariadb', 'mysql']),
  way: z.enum(['tools', 'statements']),
  /** Schemas whose changes are applied; all when left out. */
  schemas: z.array(z.string()).optional(),
  /** What the full backup does not hold; left out where nothing is known of that. */
  leftOut: leftOutSchema.optional(),
  /** Of the source; left out where the full backup does not say it. */
  lowerCaseTableNames: z.number().optional(),
  accounts: z.boolean(),
})

/** What a plan with logs keeps for its execution. */
export type ReplayFacts = z.output<typeof schema>

export interface ReplayFactsInput {
  readonly chain: LogChain
  readonly backups: readonly Backup[]
  readonly flavour: ReplayFacts['flavour']
  readonly tools: ReplayTools | undefined
  readonly schemas: readonly string[] | undefined
  readonly leftOut: LeftOut | undefined
  readonly accounts: boolean
}

export function replayFacts({
  chain,
  backups,
  flavour,
  tools,
  schemas,
  leftOut,
  accounts,
}: ReplayFactsInput): Readonly<Record<string, Json>> {
  const last = backups.at(-1)
  const lowerCaseTableNames = backups[0]?.facts?.lowerCaseTableNames
  const lastBackup = chain.files.findIndex((log) => log.backup === last?.id)
  const gtid = gtidWhereItBegins(flavour, last?.from?.value.gtid, lastBackup < 1 ? backups[0]?.position?.value.gtid : undefined)
  const facts: z.input<typeof schema> = {
    logs: [...chain.files],
    lastBackup: lastBackup < 0 ? chain.files.length : lastBackup,
    flavour,
    way: tools === undefined ? 'statements' : 'tools',
    accounts,
    ...(gtid === undefined ? {} : { gtid }),
    ...(schemas === undefined ? {} : { schemas: [...schemas] }),
    ...(leftOut === undefined ? {} : { leftOut }),
    ...(typeof lowerCaseTableNames === 'number' ? { lowerCaseTableNames } : {}),
  }
  return { replay: JSON.parse(JSON.stringify(facts)) as Json }
}

/** Logs may begin before their full backup: what that holds is executed too where the replay begins. The lists of MariaDB say that by themselves. */
function gtidWhereItBegins(flavour: ReplayFacts['flavour'], from: string | undefined, full: string | undefined): string | undefined {
  if (flavour === 'mariadb' || from === undefined || full === undefined) return from
  const [a, b] = [parseGtidSet(from), parseGtidSet(full)]
  return a === undefined || b === undefined ? from : printGtidSet(unionOfGtidSets(a, b))
}

/** `undefined` for a plan without logs. Throws `INVALID_INPUT` for one that was not made here. */
export function replayFactsOf(plan: RestorePlan): ReplayFacts | undefined {
  if (plan.facts?.replay === undefined) return undefined
  const parsed = schema.safeParse(plan.facts.replay)
  if (parsed.success) return parsed.data
  throw new BackupError(`plan ${plan.id} does not say how its logs are replayed`, { code: 'INVALID_INPUT', hint: 'Plan the restore anew.' })
}
