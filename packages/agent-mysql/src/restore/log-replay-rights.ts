import { type LeftOut, schemaIsLeftOut, tableWasLeftOut } from '../dump/left-out-facts.ts'
import type { SqlToken } from './sql-tokenizer.ts'

/** One thing that a right is given or taken on, or all of the default schema (`name` is `*`). */
interface Granted {
  readonly of: 'table' | 'program'
  readonly schema: string
  readonly name: string
  readonly qualified: boolean
}

const programs: ReadonlySet<string> = new Set(['FUNCTION', 'PROCEDURE', 'PACKAGE'])

function grantedOn(tokens: readonly SqlToken[], defaultSchema: string): Granted | undefined {
  // What PROXY is given on is an account.
  if (!['GRANT', 'REVOKE'].includes(tokens[0]?.word ?? '') || tokens[1]?.word === 'PROXY') return undefined
  let at = tokens.findIndex(({ word }) => word === 'ON') + 1
  if (at === 0) return undefined
  const isKind = (index: number) => !['TO', 'FROM', '.', ','].includes(tokens[index + 1]?.word ?? '')
  const kind = tokens[at]?.word ?? ''
  const isProgram = programs.has(kind) && isKind(at)
  if (isProgram || (kind === 'TABLE' && isKind(at))) at++
  if (isProgram && kind === 'PACKAGE' && tokens[at]?.word === 'BODY' && isKind(at)) at++
  const nameOf = (token: SqlToken | undefined): string => (token?.word === '*' ? '*' : (token?.name ?? ''))
  const qualified = tokens[at + 1]?.word === '.'
  return {
    of: isProgram ? 'program' : 'table',
    schema: qualified ? nameOf(tokens[at]) : defaultSchema,
    name: nameOf(tokens[qualified ? at + 2 : at]),
    qualified,
  }
}

/**
 * Whether a right is about something that the full backup does not hold: a server knows no rights on a single thing that is not there. What only looks like
 * a table that would have been left out may be a view, which never is: rights on it are tried.
 */
export function isGrantOnLeftOut(tokens: readonly SqlToken[], defaultSchema: string, facts: LeftOut | undefined): boolean {
  if (facts === undefined) return false
  const on = grantedOn(tokens, defaultSchema)
  if (on === undefined || on.schema === '*' || on.schema === '') return false
  // The rights on a whole schema may be there before it.
  if (on.name === '*') return !on.qualified && schemaIsLeftOut(facts, on.schema)
  return schemaIsLeftOut(facts, on.schema) || (on.of === 'table' && tableWasLeftOut(facts, on.schema, on.name))
}
