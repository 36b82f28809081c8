/** What a statement does to the transaction around it. */
export type StatementKind = 'begin' | 'commit' | 'rollback' | 'xa-start' | 'xa-end' | 'xa-finish' | 'other'

/** Longer than any statement here that is not `other`, but for names of XA transactions. */
const kindBytes = 16

/** Of the text of a QUERY event. The server writes its own words for transactions, whatever the client had sent. */
export function statementKind(statement: Buffer): StatementKind {
  const first = (statement[0] ?? 0) | 0x20
  // b, c, r, x: nearly every statement is told by its first letter.
  if (first !== 0x62 && first !== 0x63 && first !== 0x72 && first !== 0x78) return 'other'
  const text = statement.toString('latin1', 0, kindBytes).toUpperCase()
  if (/^BEGIN\s*$/.test(text)) return 'begin'
  if (/^COMMIT\s*$/.test(text)) return 'commit'
  if (/^ROLLBACK\s*$/.test(text)) return 'rollback'
  if (/^XA\s+(?:START|BEGIN)\b/.test(text)) return 'xa-start'
  if (/^XA\s+END\b/.test(text)) return 'xa-end'
  if (/^XA\s+(?:COMMIT|ROLLBACK|PREPARE)\b/.test(text)) return 'xa-finish'
  return 'other'
}

const longestShown = 200

/**
 * The beginning of a statement for people: one line, without what it quotes, which may be values of rows or the hash of a password.
 *
 * @param statement the statement or its beginning
 */
export function shownStatement(statement: Buffer): string {
  const text = statement
    .toString('utf8', 0, longestShown * 4)
    .replace(/'(?:[^'\\]|\\.)*(?:'|$)/gs, "'…'")
    .replace(/"(?:[^"\\]|\\.)*(?:"|$)/gs, '"…"')
    .replace(/\b0x[0-9a-f]+/gi, '0x…')
    .replace(/\s+/g, ' ')
    .trim()
  return text.length > longestShown ? `${text.slice(0, longestShown)}…` : text
}
