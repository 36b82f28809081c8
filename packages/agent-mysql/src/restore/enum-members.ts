import type { DumpColumn } from '../dump-layout.ts'

/**
 * Members of an ENUM or SET that are most likely one and the same to its collation, such as `'a'` and `'A '`: a server outside of strict mode
 * lets them be defined. Rows hold the number of a member and are read as its text, of which any server makes the number of the first
 * that equals it. Empty for every other column.
 */
export function equalMembers(column: DumpColumn): readonly string[] {
  if (column.dataType !== 'enum' && column.dataType !== 'set') return []
  const members = [...column.columnType.matchAll(/'((?:[^']|'')*)'/g)].map((match) => (match[1] ?? '').replaceAll("''", "'"))
  const first = new Map<string, string>()
  return members.flatMap((member) => {
    const key = folded(member, column.collation ?? '')
    const other = first.get(key)
    if (other === undefined) first.set(key, member)
    return other === undefined ? [] : [other, member]
  })
}

function folded(member: string, collation: string): string {
  const text = member.trimEnd()
  if (/_bin$/.test(collation)) return text
  const plain = text.normalize('NFKD').replaceAll('ß', 'ss')
  return /_cs$|_as_/.test(collation) ? plain : plain.replaceAll(/\p{M}/gu, '').toLowerCase()
}
