import { BackupError } from '@backup-planet/core'
import { quoteTable } from '../mysql-quoting.ts'
import { applyEdits, type SqlDialect, type SqlToken, significantTokens, tokenizeSql } from './sql-tokenizer.ts'

export interface DisabledEvent {
  /** Creates it so that it cannot run yet. */
  readonly create: string
  /** Lets it run, with the definer it has; `undefined` for an event that was not enabled. */
  readonly enable?: string
}

/**
 * Takes a CREATE EVENT of SHOW CREATE EVENT apart, so that the event can be created long before it may run. ALTER EVENT makes whoever
 * executes it the definer unless it names one (MariaDB documentation, "ALTER EVENT"), so it names the same as the CREATE.
 *
 * @param schema on the target
 */
export function disabledEvent(create: string, schema: string, name: string, dialect: SqlDialect): DisabledEvent {
  const tokens = significantTokens(tokenizeSql(create, dialect))
  const event = tokens.findIndex((token) => isWord(token, 'EVENT'))
  // What follows ON COMPLETION is always printed; COMPLETION before it can only be part of the schedule, where no word may stand.
  const completion = tokens.findIndex((token, index) => isWord(token, 'ON') && isWord(tokens[index + 1], 'COMPLETION'))
  const status = completion + (isWord(tokens[completion + 2], 'NOT') ? 4 : 3)
  const state = tokens[status]
  const kind = tokens[event]
  if (!isWord(tokens[0], 'CREATE') || kind === undefined || completion < event || !(isWord(state, 'ENABLE') || isWord(state, 'DISABLE'))) {
    throw new BackupError(`the text of event ${name} does not say whether it is enabled`, {
      code: 'CORRUPTED',
      hint: 'The backup was damaged or tampered with; restore another one.',
    })
  }
  if (isWord(state, 'DISABLE')) return { create }
  const definer = create.slice(tokens[1]?.begin, kind.begin)
  return {
    create: applyEdits(create, [{ begin: state?.begin ?? 0, end: state?.end ?? 0, text: 'DISABLE' }]),
    enable: `ALTER ${definer}EVENT ${quoteTable(schema, name)} ENABLE`,
  }
}

function isWord(token: SqlToken | undefined, word: string): boolean {
  return token?.type === 'word' && token.word === word
}
