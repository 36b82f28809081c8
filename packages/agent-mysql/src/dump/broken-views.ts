import type { Problem } from '@backup-planet/core'
import type { DumpView } from '../dump-layout.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'

export interface BrokenView {
  readonly name: string
  /** In the words of the server. */
  readonly reason: string
}

/** ER_VIEW_INVALID, ER_NO_SUCH_USER for its definer. */
const brokenNumbers: readonly number[] = [1356, 1449]

/**
 * Why a view cannot be read by anybody: what it names is gone, or its definer lacks rights; `undefined` when it can. Its statement is prepared and never
 * executed. A view with the rights of its caller may only be closed to this account, so there it counts what the server says beside the definition.
 */
export async function brokenReason(session: MysqlSession, schema: string, view: DumpView): Promise<string | undefined> {
  const table = quoteTable(schema, view.name)
  const during = `looking whether view ${schema}.${view.name} works`
  try {
    await session.run(`PREPARE backup_planet_view FROM ${quoteText(`SELECT 1 FROM ${table}`)}`, during)
  } catch (error) {
    const number = errorNumber(error)
    if (number === undefined || !brokenNumbers.includes(number)) return undefined
    if (number === 1356 && / SQL SECURITY INVOKER /i.test(view.create)) {
      await session.rows(`SHOW CREATE VIEW ${table}`, during)
      const [said] = (await session.rows('SHOW WARNINGS', during)).filter((row) => brokenNumbers.includes(row.number('code')))
      return said?.text('message')
    }
    return number === 1449
      ? `its definer ${definer(view.create)} does not exist`
      : 'a table, column or function that it names is gone, or its definer lacks rights'
  }
  await session.run('DEALLOCATE PREPARE backup_planet_view', during)
  return undefined
}

function definer(create: string): string {
  return / DEFINER=(`(?:[^`]|``)*`@`(?:[^`]|``)*`) /.exec(create)?.[1] ?? 'of its CREATE VIEW'
}

/** Their text is kept, which is all there is of them; a restore cannot create them either. */
export function brokenViewProblems(schema: string, views: readonly BrokenView[]): Problem[] {
  return views.map(({ name, reason }) => {
    const hint = 'Repair it with CREATE OR REPLACE VIEW, or drop it; until then only its text is backed up.'
    return { severity: 'warning', code: 'APPLICATION', message: `view ${schema}.${name} does not work: ${reason}`, hint, item: schema }
  })
}
