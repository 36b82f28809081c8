import type { Json, RestoreReport } from '@backup-planet/core'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { expect } from 'vitest'
import { mysqlAgentSettingsSchema } from '../src/mysql-agent-settings.ts'
import { planMysqlRestore, runMysqlRestore } from '../src/restore/index.ts'
import type { TestedServer } from './capture-fixture.ts'
import { type FolderBackup, FolderFiles, settingsOf } from './folder-backup.ts'

export interface RestoreChoices {
  readonly items?: readonly string[]
  readonly rename?: Readonly<Record<string, string>>
  readonly overwrite?: boolean
  readonly options?: Readonly<Record<string, Json>>
}

export function resolved(server: TestedServer) {
  return mysqlAgentSettingsSchema.parse(settingsOf(server))
}

export function planFor(server: TestedServer, folder: FolderBackup, choices: RestoreChoices = {}) {
  const { items, rename, overwrite = false, options } = choices
  return planMysqlRestore(resolved(server), {
    backups: [folder.backup],
    ...(items === undefined ? {} : { items }),
    target: { overwrite, ...(rename === undefined ? {} : { rename }), ...(options === undefined ? {} : { options }) },
  })
}

/** Plans and executes; whatever fails fails the test. */
export async function restoreAll(server: ThrowawayMariadb, folder: FolderBackup, choices: RestoreChoices = {}): Promise<RestoreReport> {
  const plan = await planFor(server, folder, choices)
  expect(plan.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  const files = new FolderFiles(folder.directory, folder.backup)
  const report = await runMysqlRestore(resolved(server), plan, files)
  expect(report.items.flatMap((item) => item.failure ?? [])).toEqual([])
  expect(report.items.flatMap((item) => item.checks.filter((check) => !check.passed))).toEqual([])
  expect(files.held).toBe(0)
  expect(await server.client("SHOW DATABASES LIKE 'backup_planet_restore'")).toBe('')
  return report
}
